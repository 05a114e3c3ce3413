from django.db import migrations, models

ACTIVE = ("pending", "running")


def close_steps(apps, schema_editor):
    """Operations that had ended kept steps that ran on for ever."""
    ended = apps.get_model("operations", "Operation").objects.exclude(status__in=ACTIVE)
    for operation in ended.only("steps", "ended_at").iterator(chunk_size=500):
        steps, ended_at = operation.steps, operation.ended_at and operation.ended_at.isoformat()
        if not any(step["status"] in ("running", "waiting") for step in steps):
            continue
        for step in steps:
            if step["status"] == "running":
                step.update(status="unfinished", ended_at=ended_at)
            elif step["status"] == "waiting":
                step["status"] = "skipped"
        operation.save(update_fields=["steps"])


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="operation",
            name="waits_for",
            field=models.JSONField(null=True),
        ),
        migrations.RunPython(close_steps, migrations.RunPython.noop),
    ]
