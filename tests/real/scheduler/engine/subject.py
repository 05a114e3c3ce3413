"""A real engine on test."""

from __future__ import annotations

import contextlib
import random
import secrets

import docker

from scheduler.engine.base import ContainerSpec
from scheduler.engine.docker import DockerEngine
from scheduler.engine.hostconfig import container_body
from tests.images import build_image

TAG = "berth-test/subject:1"
# ends with the code that is written to /tmp/code, once; told to exhaust its memory, it takes more than it may have
WAIT = """#!/bin/sh
while ! [ -e /tmp/code ]; do sleep 0.05; done
read code </tmp/code
rm /tmp/code
[ "$code" != exhaust ] || exec tail /dev/zero
exit "$code"
"""


class DockerSubject:
    tag = TAG

    def __init__(self, url: str) -> None:
        self.url = url
        self.installation = secrets.token_hex(3)
        self.subnet = f"10.{random.randint(64, 67)}.{random.randint(0, 255)}"
        self.digest = build_image(
            TAG, {"/bin/subject": WAIT}, ["/bin/subject"], expose=["53/udp", "8081", "8080"], url=url
        )
        self.engine = DockerEngine(url, self.installation)
        self.api = docker.APIClient(base_url=url, version="auto")
        self._strangers: list[str] = []

    def crash(self, id: str, code: int) -> None:
        self.execute(id, f"echo {code} >/tmp/new && mv /tmp/new /tmp/code")

    def exhaust(self, id: str) -> None:
        """Its main process takes more memory than it may have."""
        self.execute(id, "echo exhaust >/tmp/new && mv /tmp/new /tmp/code")

    def remove_behind_back(self, id: str) -> None:
        self.api.remove_container(id, force=True)

    def stop_behind_back(self, id: str) -> None:
        self.api.stop(id)

    def pause_behind_back(self, id: str) -> None:
        self.api.pause(id)

    def limit_behind_back(self, id: str, memory: int) -> None:
        self.api.update_container(id, mem_limit=memory, memswap_limit=memory)

    def print_line(self, id: str, text: str, stream: str) -> None:
        self.execute(id, f"echo '{text}' >/proc/1/fd/{1 if stream == 'stdout' else 2}")

    def run_behind_back(self, container: ContainerSpec) -> str:
        made = str(self.api.create_container_from_config(container_body(container), container.name)["Id"])
        self._strangers.append(made)
        self.api.start(made)
        return made

    def execute(self, id: str, script: str) -> str:
        command = self.api.exec_create(id, ["/bin/sh", "-c", script])["Id"]
        output = self.api.exec_start(command).decode()
        assert self.api.exec_inspect(command)["ExitCode"] == 0, output
        return output

    def close(self) -> None:
        for container in self.engine.containers():
            self.engine.remove(container.id)
        for stranger in self._strangers:
            with contextlib.suppress(docker.errors.NotFound):
                self.api.remove_container(stranger, force=True)
        for name, _ in self.engine.networks():
            self.engine.remove_network(name)
        self.engine.close()
        self.api.close()
