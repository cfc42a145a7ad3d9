from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0006_canceled_at_step"),
    ]

    operations = [
        migrations.AddField(
            model_name="workflow",
            name="logic",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name="replay logic"),
        ),
    ]
