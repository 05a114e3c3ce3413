from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("applications", "0004_antiaffinity"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="route", name="route_once"),
        migrations.AddField("route", "extension", models.CharField(blank=True, default="", max_length=16)),
        migrations.AddField("route", "redirect", models.JSONField(blank=True, null=True)),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.UniqueConstraint(fields=("host", "path", "extension"), name="route_once"),
        ),
    ]
