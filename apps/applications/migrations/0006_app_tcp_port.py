from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("applications", "0005_route_options")]

    operations = [
        migrations.AddField("app", "tcp_port", models.PositiveIntegerField(blank=True, null=True, unique=True)),
    ]
