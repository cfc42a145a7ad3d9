from typing import Any

from django.db import migrations, models

#: How the text of each began, which is now a reason of its own. Those of turns that raised began with the exception.
_BEGINNINGS = {
    "step ": "code_mismatch",
    "no workflow is defined under the name ": "unknown_definition",
    "": "crash_loop",
}


def give_reasons(apps: Any, schema_editor: Any) -> None:
    """What was blocked before is blocked by a reason, too; since when is not known."""
    rows = apps.get_model("django_workflows", "Workflow").objects.using(schema_editor.connection.alias)
    blocked = rows.filter(state="in_progress").exclude(blocked_message="")
    for beginning, reason in _BEGINNINGS.items():
        blocked.filter(blocked_reason="", blocked_message__startswith=beginning).update(blocked_reason=reason)


class Migration(migrations.Migration):
    dependencies = [
        ("django_workflows", "0007_logic"),
    ]

    operations = [
        # The column stays: workers of the previous version go on writing it.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="workflow", name="dwf_workflow_parked"),
                migrations.RenameField(model_name="workflow", old_name="problem", new_name="blocked_message"),
                migrations.AlterField(
                    model_name="workflow",
                    name="blocked_message",
                    field=models.TextField(
                        blank=True, db_column="problem", default="", verbose_name="message of what blocks it"
                    ),
                ),
                migrations.AddIndex(
                    model_name="workflow",
                    index=models.Index(
                        condition=models.Q(("blocked_message", ""), _negated=True),
                        fields=["state", "id"],
                        name="dwf_workflow_parked",
                    ),
                ),
            ],
        ),
        migrations.RenameIndex(model_name="workflow", old_name="dwf_workflow_parked", new_name="dwf_workflow_blocked"),
        migrations.AddField(
            model_name="workflow",
            name="blocked_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=32, verbose_name="blocked by"),
        ),
        migrations.AddField(
            model_name="workflow",
            name="blocked_at",
            field=models.DateTimeField(null=True, verbose_name="blocked since"),
        ),
        migrations.AddField(
            model_name="workflow",
            name="blocked_checked_at",
            field=models.DateTimeField(null=True, verbose_name="last found blocked at"),
        ),
        migrations.RunPython(give_reasons, migrations.RunPython.noop),
    ]
