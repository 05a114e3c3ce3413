"""What only a real engine can show."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.engine.base import EngineUnreachable, ImageUnknown, NetworkSpec
from scheduler.engine.docker import DockerEngine
from scheduler.engine.hostconfig import CAPABILITIES
from scheduler.model import ExecHealth, Process, Resources
from tests import dockerd
from tests.engine_cases.subject import ended_by, launched, process_of, spec_of
from tests.images import build_image
from tests.real.scheduler.engine.subject import DockerSubject
from tests.services import wait_until


def test_a_container_is_confined_as_the_allowlist_says(subject: DockerSubject, network: NetworkSpec) -> None:
    made = launched(subject)
    status = dict(line.split(":\t", 1) for line in subject.execute(made, "cat /proc/1/status").splitlines())
    bits = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == sum(1 << bits[name] for name in CAPABILITIES)
    assert status["NoNewPrivs"] == "1"
    host = subject.api.inspect_container(made)["HostConfig"]
    assert not any(host[door] for door in ("Binds", "Privileged", "PortBindings", "Devices"))
    assert (host["PidsLimit"], host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (
        1024,
        32 << 20,
        32 << 20,
        250_000_000,
    )


def test_a_container_cannot_take_more_memory_than_it_may(subject: DockerSubject, network: NetworkSpec) -> None:
    hog = ("sh", "-c", "head -c 64m /dev/zero | tail")
    made = subject.engine.create(spec_of(subject, command=hog, resources=Resources(cpu=500, memory=8 << 20)))
    subject.engine.start(made)
    # tail is killed, the shell goes on to report it
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has failed for good", 30)
    container = subject.engine.container(made)
    assert container is not None
    assert container.exit_code == 137


def test_values_of_the_environment_are_kept_literally(subject: DockerSubject, network: NetworkSpec) -> None:
    value = "$(id) `id` \"two\"\n'lines' ; ü"
    made = launched(subject, env={"VALUE": value})
    assert subject.execute(made, 'printf %s "$VALUE"') == value


def test_instances_find_each_other_by_alias_and_have_their_own_hostname(
    subject: DockerSubject,
    network: NetworkSpec,
) -> None:
    first = launched(subject, 0)
    launched(subject, 1, aliases=("web", "other"))
    assert subject.execute(first, "hostname").strip() == "web-0-1"
    # busybox, linked statically, resolves names itself and wants to be told where
    answer = subject.execute(first, "nslookup other 127.0.0.11")
    assert f"{subject.subnet}.11" in answer


def test_a_program_that_does_not_exist_ends_with_127_and_says_so(
    subject: DockerSubject,
    network: NetworkSpec,
) -> None:
    made = launched(subject, command=("/no/such/program",))
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has failed for good", 30)
    container = subject.engine.container(made)
    assert container is not None
    assert container.exit_code == 127
    assert "/no/such/program" in list(subject.engine.logs(made))[-1].text


@pytest.mark.parametrize(("own", "code"), [("", 9), ("SIGQUIT", 7)])
def test_the_image_says_which_signal_ends_it_unless_the_app_does(
    subject: DockerSubject, network: NetworkSpec, own: str, code: int
) -> None:
    traps = "trap 'exit 9' USR1\ntrap 'exit 7' QUIT\ntrap '' TERM"
    script = f"#!/bin/sh\n{traps}\necho ready\nwhile :; do sleep 0.05; done\n"
    image = build_image("berth-test/usr1:1", {"/bin/it": script}, ["/bin/it"], instructions=["STOPSIGNAL SIGUSR1"],
                        url=subject.url)  # fmt: skip
    made = launched(subject, digest=image, stop_signal=own)
    wait_until(lambda: [line.text for line in subject.engine.logs(made)] == ["ready"], "its traps are set")
    subject.engine.terminate(made)
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has ended")
    container = subject.engine.container(made)
    assert container is not None
    assert (container.exit_code, container.restarts) == (code, 0)


def test_the_health_command_is_run_and_its_verdict_seen(subject: DockerSubject, network: NetworkSpec) -> None:
    check = ("sh", "-c", "! [ -e /tmp/sick ]")
    made = launched(subject, health_command=check, health_interval=0.1, health_failures=2, health_grace=0.1)

    def verdict() -> ExecHealth | None:
        container = subject.engine.container(made)
        return container.exec_health if container else None

    wait_until(lambda: verdict() is ExecHealth.HEALTHY, "healthy")
    subject.execute(made, "touch /tmp/sick")
    wait_until(lambda: verdict() is ExecHealth.UNHEALTHY, "unhealthy")


def test_a_long_line_and_one_without_an_end_are_whole(subject: DockerSubject, network: NetworkSpec) -> None:
    writer = "head -c 40000 /dev/zero | tr '\\0' x; echo; printf open"
    made = launched(subject, command=("sh", "-c", writer))
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has ended")
    assert [len(line.text) for line in subject.engine.logs(made)] == [40000, 4]


def test_a_tag_that_only_looks_like_an_id_is_no_image(subject: DockerSubject) -> None:
    short = subject.digest.removeprefix("sha256:")[:12]
    assert subject.api.inspect_image(short)["Id"] == subject.digest  # what the engine would make of it
    with pytest.raises(ImageUnknown):
        subject.engine.resolve_image(short)


def test_the_engine_says_what_it_is(subject: DockerSubject) -> None:
    info = subject.engine.info()
    shown = subject.api.info()
    assert (info.id, info.version, info.hostname) == (shown["ID"], shown["ServerVersion"], shown["Name"])
    assert info.capacity.cpu == shown["NCPU"] * 1000
    assert info.capacity.memory == shown["MemTotal"]
    assert info.capacity.disk > 1 << 30


def test_what_happens_while_one_subscribes_is_heard(subject: DockerSubject, network: NetworkSpec) -> None:
    """The engine answers before the subscription stands: all that is done after the first item is heard still."""
    for slot in range(10):
        events = subject.engine.events()
        assert next(events) is None
        made = subject.engine.create(spec_of(subject, slot))
        heard = next(event for event in events if event is not None and event.container == made)
        assert heard.action == "create"
        assert abs(heard.at - datetime.now(UTC)) < timedelta(minutes=1)
        events.close()


def test_one_engine_serves_many_threads_over_few_connections(subject: DockerSubject, network: NetworkSpec) -> None:
    for slot in range(4):
        subject.engine.create(spec_of(subject, slot))
    failures: list[BaseException] = []

    def look() -> None:
        try:
            for _ in range(20):
                assert len(subject.engine.containers()) == 4
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[str]:
    """An engine that takes connections and says nothing, as one that hangs."""
    path = tmp_path / "mute.sock"
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen(64)
        yield f"unix://{path}"


def test_an_engine_that_hangs_is_given_up(mute: str) -> None:
    engine = DockerEngine(mute, "a", timeout=0.3)
    before = time.monotonic()
    for call in (engine.info, engine.containers, engine.events, lambda: engine.resolve_image("web:1")):
        with pytest.raises(EngineUnreachable):
            call()
    assert time.monotonic() - before < 60


def test_closing_the_client_ends_a_call_that_hangs(mute: str) -> None:
    engine = DockerEngine(mute, "a", timeout=100)
    outcome: list[EngineUnreachable] = []

    def call() -> None:
        try:
            engine.info()
        except EngineUnreachable as error:
            outcome.append(error)

    def closed() -> bool:
        engine.close()
        return not waiting.is_alive()

    waiting = threading.Thread(target=call, daemon=True)
    waiting.start()
    wait_until(closed, "the call has ended")
    assert outcome


def test_an_engine_that_dies_is_noticed_and_found_again() -> None:
    with dockerd.own_engine(apart=True) as own:
        engine = DockerEngine(own.url, "a")
        assert engine.containers() == []
        events = engine.events()
        assert next(events) is None
        assert isinstance(ended_by(own.kill, lambda: list(events)), EngineUnreachable)
        with pytest.raises(EngineUnreachable):
            engine.containers()
        own.start()
        assert engine.containers() == []
        assert next(engine.events()) is None
        engine.close()
