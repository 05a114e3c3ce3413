"""Bring the database, the static files, the admin and this machine's node to where `./berth up` wants them.

Every part looks first and changes only what is not so yet, so that a second start is quick.
"""

from __future__ import annotations

import os
import re
import socket
from io import StringIO
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from apps.accounts import users
from apps.accounts.models import User
from apps.applications.models import App
from apps.installation import services as installation
from apps.nodes import services as nodes
from apps.nodes.models import Node
from cloud.demo import APP, GROUP, marker
from cloud.management.messages import send, step
from scheduler.engine.base import EngineError
from scheduler.engine.connect import connect


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            with step("database") as details:
                check_database()
                details.append(migrate())
                installation.claim(settings.BERTH_INSTALLATION, settings.BERTH.secrets)
        except (installation.WrongDatabase, OperationalError) as error:
            send(error=f"DATABASE_URL: {error}")
            raise CommandError(str(error)) from error
        except EngineError as error:
            send(error=f"BERTH_ENGINE: {error}")
            raise CommandError(str(error)) from error
        with step("static files") as details:
            details.append(collect_static())
        with step("admin and node") as details:
            details.append(create_admin())
            details.append(enrol_node())
        send(demo=demo_state())


class Progress(StringIO):
    """Counts the migrations that Django says it has applied."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.done, self.total = 0, total

    def write(self, text: str) -> int:
        if text.strip().endswith("OK"):
            self.done += 1
            send(progress=self.done / self.total)
        return len(text)


def check_database() -> None:
    """Raise `WrongDatabase` before anything is done to a database that is not of what runs, or an `EngineError`."""
    berth, found = settings.BERTH, installation.look()
    containers = len(connect(berth.engine, settings.BERTH_INSTALLATION).containers()) if found.new else 0
    remembered, been_up = installation.recall(berth.secrets), (berth.home / "up").exists()
    installation.check(found, settings.BERTH_INSTALLATION, remembered, containers, been_up=been_up)


def migrate() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return "up to date"
    call_command("migrate", interactive=False, stdout=Progress(len(plan)))
    return f"{len(plan)} migrations"


def collect_static() -> str:
    """Copy the static files, unless they are as they were the last time."""
    found = sorted(
        (path, os.stat(storage.path(path)).st_mtime_ns)
        for finder in get_finders()
        for path, storage in finder.list(["CVS", ".*", "*~"])
    )
    stamp = settings.BERTH.home / "static.stamp"
    state = f"{settings.STATIC_ROOT}\n{found}"
    if stamp.exists() and stamp.read_text() == state:
        return "up to date"
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(state)
    return f"{len(found)} files"


def create_admin() -> str:
    """The first user, with the password that was made for it; later it is the user's own affair."""
    if User.objects.exists():
        return "admin is there"
    users.create_user(None, "admin", (settings.BERTH.secrets / "admin").read_text().strip(), admin=True)
    return "admin created"


def enrol_node() -> str:
    """This machine's engine as a node, unless it is one: under whatever name, since host names change."""
    url = settings.BERTH.engine
    node = Node.objects.filter(engine_url=url).first()
    if node is None:
        node = nodes.enrol(node_name(socket.gethostname()), url)
    return f"node {node.name}"


def node_name(hostname: str) -> str:
    """A host's name made to fit the grammar of names."""
    name = re.sub(r"[^a-z0-9]+", "-", hostname.partition(".")[0].lower()).strip("-")
    return (name if name[:1].isalpha() else f"node-{name}")[:40].rstrip("-")


def demo_state() -> str:
    """`wanted`: there was none yet. `running`, or `absent`: someone stopped or deleted it, and it stays so."""
    if not marker(settings.BERTH).exists():
        return "wanted"
    running = App.objects.filter(group__name=GROUP, name=APP, running=True, deleting=False)
    return "running" if running.exists() else "absent"
