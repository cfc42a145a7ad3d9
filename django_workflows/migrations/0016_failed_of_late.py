from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0015_kept_notes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="workflow",
            index=models.Index(
                condition=models.Q(("state", "failed")), fields=["finished_at"], name="dwf_workflow_failed"
            ),
        ),
    ]
