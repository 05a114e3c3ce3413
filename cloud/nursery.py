"""Berth's own processes are forked from one that has loaded their code already.

Loading it takes a second or more of CPU and most of a process's memory. Here that happens once: what was loaded is
shared between the nursery and everything forked from it, for as long as nobody writes to it, and a process that
crashed is back in a moment.

A process is forked twice, so that its parent ends and the supervisor, as the nearest reaper, becomes its parent. The
nursery has neither threads nor connections, which would not survive a fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from typing import Any

from cloud import ready
from cloud.commands import run
from cloud.supervisor import kernel
from cloud.supervisor.forks import VARIABLE

# What `cloud.asgi` needs, but not that itself: its middleware reads the static files' folder, which may still be empty.
PRELOADED = (
    "apps.operations.waiting",
    "apps.panel.routing",
    "apps.rest.limits",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.components",
    "celery.worker.consumer",
    "channels.routing",
    "channels.security.websocket",
    "channels.sessions",
    "channels_redis.core",
    "cloud.broker",
    "django.core.asgi",
    "scheduler.observer",
    "scheduler.tasks",
    "uvicorn",
)


def main() -> None:
    """Load, say that we are ready, and fork one process a message until the supervisor is gone."""
    requests = socket.socket(fileno=int(os.environ.pop(VARIABLE)))
    for module in PRELOADED:
        importlib.import_module(module)
    from django.conf import settings
    from django.urls import get_resolver

    from cloud.celery import app

    for middleware in settings.MIDDLEWARE:
        importlib.import_module(middleware.rpartition(".")[0])
    assert get_resolver().url_patterns  # noqa: S101 - loads every view
    app.finalize()
    gc.collect()
    gc.freeze()  # a collection in a child would write to every object, and so copy what is shared
    ready.tell()
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(requests, 1 << 16, 3)
        if not message:
            return
        pid = _fork_twice(requests, json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(pid).encode())


def _fork_twice(requests: socket.socket, request: dict[str, Any], descriptors: list[int]) -> int:
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid:
            os.write(write, str(pid).encode())
            os._exit(0)
        code = 1
        try:
            os.close(read)
            os.close(write)
            requests.close()
            code = _become(request, descriptors)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # the frames above are the nursery's
    os.close(write)
    with os.fdopen(read) as said:
        pid = int(said.read())
    os.waitpid(between, 0)
    return pid


def _become(request: dict[str, Any], descriptors: list[int]) -> int:
    """Be the process that was asked for, from its session to its exit code."""
    out, err, *pipe = descriptors
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.setsid()
    _await_parent(request["parent"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(request["env"])  # over what modules have set as they were loaded
    if pipe:
        os.environ[ready.VARIABLE] = str(pipe[0])
    kernel.set_name(f"berth-{request['role']}")

    try:
        return run(["manage.py", request["role"]])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _await_parent(parent: int) -> None:
    """Wait for the supervisor to become our parent, which it does within a moment; end when it is gone."""
    give_up = time.monotonic() + 5
    while os.getppid() != parent:
        if time.monotonic() > give_up:
            os._exit(1)
        time.sleep(0.001)
    kernel.tie_to_parent(parent)
