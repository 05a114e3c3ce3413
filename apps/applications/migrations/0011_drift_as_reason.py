from typing import Any

from django.db import migrations, models


def copy(apps: Any, _schema_editor: Any) -> None:
    """A sentence stays one: as JSON it is a string."""
    instances = apps.get_model("applications", "Instance")
    for row in instances.objects.exclude(drift="").only("id", "drift").iterator():
        instances.objects.filter(id=row.id).update(found=row.drift)


class Migration(migrations.Migration):
    dependencies = [
        ("applications", "0010_canary"),
    ]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="found",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.RunPython(copy, migrations.RunPython.noop),
        migrations.RemoveField(model_name="instance", name="drift"),
        migrations.RenameField(model_name="instance", old_name="found", new_name="drift"),
    ]
