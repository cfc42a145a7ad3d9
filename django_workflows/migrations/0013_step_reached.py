from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0012_blocked_codes"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="reached",
            field=models.PositiveIntegerField(null=True, verbose_name="reached"),
        ),
    ]
