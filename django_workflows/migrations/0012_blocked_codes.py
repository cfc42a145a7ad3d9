from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0011_captured"),
    ]

    operations = [
        migrations.AddField(
            model_name="workflow",
            name="blocked_codes",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=104),
        ),
    ]
