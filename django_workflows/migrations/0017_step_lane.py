from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0016_failed_of_late"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="lane",
            field=models.SmallIntegerField(db_default=0, default=0, verbose_name="lane"),
        ),
        migrations.RemoveIndex(
            model_name="step",
            name="dwf_step_due",
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False), ("state__in", ["queued", "running"])),
                fields=["queue", "priority", "lane", "due_at"],
                name="dwf_step_due",
            ),
        ),
    ]
