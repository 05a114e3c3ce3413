"""Build the demo app's image, push it to Berth's registry, and deploy it through the API, as CI would."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts import services as accounts
from apps.accounts.models import User
from cloud import demo
from cloud.management.messages import send, step
from cloud.supervisor.specs import ROOT, loopback
from scheduler.engine import images

PATIENCE = 120  # seconds until the demo's operation has to have ended
WAIT = 1  # seconds that one request waits for it: so often the progress is shown anew
SPEC = {
    "name": demo.APP,
    "port": 8080,
    "replicas": 2,
    "resources": {"cpu": 0.1, "memory": "32MiB"},
    "routes": [{"host": demo.HOST, "path": "/"}],
}
QUOTA = {"cpu": 2, "memory": "1GiB", "disk": "10GiB", "instances": 10}


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        berth = settings.BERTH
        tag = f"{berth.registry_address}/{demo.GROUP}/{demo.APP}:1"
        try:
            with step("demo image"):
                context = images.read_directory(ROOT / "examples" / "hello")
                images.build(berth.engine, tag, {**context, "busybox": images.read_file(images.BUSYBOX)})
                send(progress=0.5)
                images.push(berth.engine, tag)
            with step("demo app"):
                deploy(tag)
        except (images.BuildFailed, ApiRefused) as error:
            send(error=str(error))
            raise CommandError(str(error)) from error
        demo.marker(berth).write_text(f"{tag}\n")


class ApiRefused(Exception):
    """The API said no, or the operation failed; the message says why."""


def deploy(tag: str) -> None:
    """Make group and app, and wait for the operation. The token lives no longer than that."""
    admin = User.objects.filter(is_superuser=True, is_active=True).earliest("pk")
    name = f"demo {timezone.now():%Y-%m-%d %H:%M:%S.%f}"
    token, secret = accounts.create_token(admin, name, timezone.now() + timedelta(seconds=2 * PATIENCE))
    try:
        call(secret, "POST", "/groups", {"name": demo.GROUP, "quota": QUOTA}, fine=409)
        operation = call(secret, "POST", f"/groups/{demo.GROUP}/apps", {**SPEC, "image": tag}, fine=409)
        if not operation:  # an earlier start was cut off here
            found = call(secret, "GET", f"/operations?group={demo.GROUP}&app={demo.APP}")
            operation = found["items"][0]
        deadline = timezone.now() + timedelta(seconds=PATIENCE)
        while operation["status"] in ("pending", "running") and timezone.now() < deadline:
            operation = call(secret, "GET", f"/operations/{operation['id']}?wait={WAIT}")
            steps = operation["steps"]
            send(progress=sum(one["done"] for one in steps) / max(1, sum(one["of"] for one in steps)))
        if operation["status"] != "succeeded":
            raise ApiRefused(f"its operation is {operation['status']}: {json.dumps(operation['error'])}")
    finally:
        accounts.revoke_token(admin, token)


def call(secret: str, method: str, path: str, body: object = None, fine: int = 0) -> dict[str, Any]:
    """One request to the API. Raises `ApiRefused`, except for the status that is `fine` as well."""
    berth = settings.BERTH
    request = urllib.request.Request(
        f"http://{loopback(berth.bind)}:{berth.port}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json", "Host": berth.host},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code == fine:
            return {}
        raise ApiRefused(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise ApiRefused(f"{method} {path}: {error}") from error
