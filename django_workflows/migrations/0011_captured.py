from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0010_scheduled_for"),
    ]

    operations = [
        migrations.AddField(
            model_name="workflow",
            name="captured",
            field=models.TextField(editable=False, null=True),
        ),
    ]
