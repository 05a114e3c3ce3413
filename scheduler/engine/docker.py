"""A real Docker Engine.

Docker's oddities that are dealt with here, each seen on a real engine: it makes a container on a network that does
not exist and refuses only at its start; it finds out at the start that an address is taken; a name stays taken by a
container whose removal is under way; the answer to a subscription leaves before the subscription stands.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import docker
import requests

from scheduler.engine import failures, networks, reading
from scheduler.engine.base import (
    Container,
    ContainerSpec,
    EngineEvent,
    EngineFault,
    EngineInfo,
    EngineUnreachable,
    ImageUnpullable,
    Labels,
    LogLine,
    NameTaken,
    NetworkMissing,
    NetworkSpec,
    ResolvedImage,
)
from scheduler.engine.failures import translated
from scheduler.engine.hostconfig import container_body
from scheduler.engine.resolving import resolve
from scheduler.engine.transport import ENDLESS, Client, Stream

NAME_TIMEOUT, NAME_RETRY = 5.0, 0.02  # seconds that a name may be held by what is not there, and between looks
REMOVAL_TIMEOUT = 10  # seconds that a removal which is under way is given
REGISTRY_TIMEOUT = 10.0  # seconds in which a registry has to say what a reference means
PULL_TIMEOUT = 900.0  # seconds that a pull may take in all
INSPECTORS = 4  # threads that inspect containers; more gain nothing on an engine of two cores


class DockerEngine:
    """The Docker Engine at `url` (`unix:///…`, `tcp://host:port`), as seen by one installation of Berth.

    Safe for use from several threads. `timeout` is the most that a call waits for the engine, in seconds, beyond the
    time that the call itself is about.
    """

    def __init__(self, url: str, installation: str, timeout: float = 30.0) -> None:
        if not url.startswith(("unix://", "tcp://")):
            raise ValueError(f"not the address of an engine: {url}")
        self.installation = installation
        self._local = url.startswith("unix://")
        self._client = Client(url, timeout)
        self._asking_registry = Client(url, REGISTRY_TIMEOUT)
        self._ours = {"label": [f"{Labels.PREFIX}installation={installation}"]}

    def info(self) -> EngineInfo:
        shown = self._info()
        disk = 0
        if self._local:
            with contextlib.suppress(OSError):  # its files may be where this process cannot look
                disk = shutil.disk_usage(shown["DockerRootDir"]).total
        return reading.read_info(shown, disk)

    def _info(self) -> Mapping[str, Any]:
        with translated():
            shown: Mapping[str, Any] = self._client().info()
            return shown

    def resolve_image(self, reference: str) -> ResolvedImage:
        with translated():
            return resolve(reference, self._client(), self._asking_registry())

    def pull(self, digest: str) -> None:
        if self.has_image(digest):
            return
        if "@" not in digest:
            raise ImageUnpullable(f"{digest} was built on another engine and is in no registry")
        give_up = time.monotonic() + PULL_TIMEOUT
        with translated():
            try:
                for message in self._client().pull(digest, stream=True, decode=True):
                    if "error" in message:
                        raise ImageUnpullable(failures.words(message["error"]))
                    if time.monotonic() > give_up:
                        raise ImageUnpullable(f"not pulled within {PULL_TIMEOUT:.0f} s")
            except docker.errors.APIError as error:
                raise ImageUnpullable(failures.words(failures.explanation(error))) from error

    def has_image(self, digest: str) -> bool:
        with translated():
            try:
                self._client().inspect_image(digest)
            except docker.errors.ImageNotFound:
                return False
        return True

    def image_sizes(self) -> dict[str, int]:
        with translated():
            return reading.read_images(self._client().images())

    def ensure_network(self, network: NetworkSpec) -> None:
        with translated():
            networks.ensure(self._client(), network)

    def remove_network(self, name: str) -> None:
        with translated():
            networks.remove(self._client(), name, self.installation)

    def networks(self) -> list[tuple[str, Labels]]:
        with translated():
            found = self._client().networks(filters=self._ours)
        named = ((network["Name"], Labels.from_dict(network["Labels"] or {})) for network in found)
        return sorted(((name, labels) for name, labels in named if labels is not None), key=lambda item: item[0])

    def create(self, container: ContainerSpec) -> str:
        with translated():
            try:
                self._client().inspect_network(container.network)
            except docker.errors.NotFound:
                raise NetworkMissing(f"the engine has no network {container.network}") from None
            return self._created(container)

    def _created(self, container: ContainerSpec) -> str:
        """Make it or adopt it, as soon as it is settled whether the name belongs to something."""
        body = container_body(container)
        give_up = time.monotonic() + NAME_TIMEOUT
        while True:
            try:
                return str(self._client().create_container_from_config(body, container.name)["Id"])
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                conflict = failures.words(failures.explanation(error))
            if adopted := self._adopt(container, conflict):
                return adopted
            if time.monotonic() > give_up:
                raise EngineFault(conflict)
            time.sleep(NAME_RETRY)

    def _adopt(self, container: ContainerSpec, conflict: str) -> str | None:
        """The id of the container that has the name, when it is the one that was to be made.

        None: what has the name is on its way, in or out. Docker takes the name first and shows the container later.
        """
        try:
            shown = self._client().inspect_container(container.name)
        except docker.errors.NotFound:
            return None
        if Labels.from_dict(shown["Config"]["Labels"] or {}) != container.labels:
            raise NameTaken(conflict)
        return None if shown["State"]["Status"] in ("removing", "dead") else str(shown["Id"])

    def start(self, id: str) -> None:
        with translated():
            api = self._client()
            try:
                api.start(id)
            except docker.errors.APIError as error:
                if error.status_code == 409 and "paused" in failures.explanation(error):
                    api.unpause(id)
                elif isinstance(failures.from_api(error), NetworkMissing) and networks.attach_again(api, id):
                    api.start(id)
                else:
                    raise

    def terminate(self, id: str) -> None:
        with translated():
            signal = self._client().inspect_container(id)["Config"].get("StopSignal") or "SIGTERM"
            try:
                self._client().kill(id, signal)
            except docker.errors.APIError as error:
                if error.status_code != 409:  # it does not run
                    raise

    def remove(self, id: str) -> None:
        with translated(), contextlib.suppress(docker.errors.NotFound):
            try:
                self._client().remove_container(id, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                self._await_removal(id)

    def _await_removal(self, id: str) -> None:
        """Someone else is removing it."""
        try:
            self._client().wait(id, timeout=REMOVAL_TIMEOUT, condition="removed")
        except (requests.Timeout, requests.ConnectionError):
            raise EngineFault(f"the removal of {id[:12]} takes more than {REMOVAL_TIMEOUT} s") from None

    def container(self, id: str) -> Container | None:
        with translated():
            return self._inspect(id)

    def containers(self) -> list[Container]:
        with translated():
            listed = self._client().containers(all=True, filters=self._ours)
            with ThreadPoolExecutor(INSPECTORS) as pool:
                try:
                    shown = list(pool.map(self._inspect, (summary["Id"] for summary in listed)))
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
        return sorted((container for container in shown if container is not None), key=lambda each: each.name)

    def _inspect(self, id: str) -> Container | None:
        try:
            found = reading.read_container(self._client().inspect_container(id))
        except docker.errors.NotFound:
            return None
        return found if found is not None and found.labels.installation == self.installation else None

    def logs(self, id: str, *, tail: int = 100, since: datetime | None = None, follow: bool = False) -> Stream[LogLine]:
        asked: dict[str, Any] = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": tail, "follow": int(follow)}
        if since is not None:
            asked["since"] = f"{since.timestamp():.6f}"
        response = self._stream(f"/containers/{id}/logs", asked, endless=follow)
        return Stream(response, reading.read_log(response.raw.stream(decode_content=False)))

    def events(self) -> Stream[EngineEvent | None]:
        # The answer comes before the subscription stands. What happens between is told as well when the engine is
        # asked for everything since a moment before, by its own clock.
        before = reading.read_time(self._info()["SystemTime"])
        asked = {
            "since": f"{before.timestamp():.6f}" if before else "",
            "filters": json.dumps({"type": ["container", "network"], "event": reading.ACTIONS}),
        }
        response = self._stream("/events", asked, endless=True)
        messages = reading.read_messages(response.raw.stream(decode_content=False))
        return Stream(response, self._told(messages))

    def _told(self, messages: Iterator[dict[str, Any]]) -> Iterator[EngineEvent | None]:
        """What the messages say of this installation's containers. A network's message carries no labels of theirs."""
        yield None
        known: dict[str, Labels | None] = {}
        for message in messages:
            about = reading.event_container(message)
            if message["Type"] == "container":
                known[about] = Labels.from_dict(message["Actor"]["Attributes"])
            elif about not in known:
                container = self.container(about) if about else None
                known[about] = container.labels if container else None
            labels = known[about]
            if message["Action"] == "destroy":
                del known[about]
            if labels is not None and labels.installation == self.installation:
                yield reading.read_event(message, labels)
        raise EngineUnreachable("the engine ended the subscription")

    def close(self) -> None:
        self._client.close()
        self._asking_registry.close()

    def _stream(self, path: str, asked: Mapping[str, Any], *, endless: bool) -> requests.Response:
        with translated():
            api = self._client()
            response = api.get(
                f"{api.base_url}/v{api.api_version}{path}",
                params=asked,
                stream=True,
                timeout=ENDLESS if endless else api.timeout,
            )
            try:
                response.raise_for_status()
            except requests.HTTPError as error:
                docker.errors.create_api_error_from_http_exception(error)
            return response
