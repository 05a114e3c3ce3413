"""`./berth up`, `status`, `down`: one Berth from its first start to its removal, on real parts."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import docker
import pytest

from cloud.supervisor import front
from cloud.supervisor.specs import ROOT
from tests.flows.installation import Berth, get, installation, until_ready
from tests.services import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def first_words() -> list[str]:
    """What the first start printed."""
    return []


@pytest.fixture(scope="module")
def berth(first_words: list[str], engine: docker.APIClient) -> Iterator[Berth]:
    with installation() as made:
        first_words.append(made.up())
        yield made


@pytest.fixture(autouse=True)
def _whole_again(berth: Berth) -> None:
    """Each test finds it up, whatever the one before did."""
    if not berth.status()["supervisor"]["ok"]:
        berth.up()
    until_ready(berth)


def containers(engine: docker.APIClient, berth: Berth) -> dict[str, str]:
    """Its containers, and when each was started."""
    label = {"label": f"dev.berth.installation={berth.secret('installation')}"}
    ids = [item["Id"] for item in engine.containers(filters=label)]
    return {one: engine.inspect_container(one)["State"]["StartedAt"] for one in ids}


def foreground(berth: Berth) -> str:
    """What `up` prints until it is interrupted, once it is up, as a terminal would."""
    up = subprocess.Popen(
        [str(ROOT / "berth"), "up"],
        env=dict(berth.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert up.stdout is not None
    words = ""
    for line in up.stdout:
        words += line
        if "Ctrl-C stops" in line:
            os.killpg(up.pid, signal.SIGINT)
    assert up.wait(60) == 0, words
    return words


def test_the_first_start_ends_with_a_demo_app_that_answers(berth: Berth, first_words: list[str]) -> None:
    (words,) = first_words
    assert berth.app_answers() == 200
    assert f"http://127.0.0.1:{berth.env['BERTH_PORT']}/" in words
    assert f"http://hello.localhost:{berth.env['BERTH_HTTP_PORT']}/" in words
    assert f"admin  {berth.secret('admin')}" in words
    for step in ("engine", "redis", "etcd", "registry", "database", "web", "worker", "demo app"):
        assert re.search(rf"^  \S+ +{step} +\d+\.\d\d s", words, re.MULTILINE), step


def test_the_panel_comes_with_its_styles_and_scripts(berth: Berth) -> None:
    port = int(berth.env["BERTH_PORT"])
    status, page = get(port, "/login", {"Host": "127.0.0.1"})
    parts = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.decode()))
    assert status == 200
    assert len(parts) > 5
    assert {part: get(port, part, {"Host": "127.0.0.1"})[0] for part in parts} == dict.fromkeys(parts, 200)


def test_the_admins_password_is_readable_by_the_owner_alone(berth: Berth) -> None:
    assert stat.S_IMODE((berth.home / "secrets" / "admin").stat().st_mode) == 0o600


def test_status_shows_every_process_ready(berth: Berth) -> None:
    lines = berth.status()
    services, own = {"engine", "redis", "etcd", "registry", "haproxy"}, {"web", "worker", "beat", "observer", "edge"}
    assert lines.keys() == {"supervisor", "nursery", *services, *own}
    assert all(line["ok"] for line in lines.values())


def test_status_shows_what_runs_whatever_the_settings_of_whoever_asks(berth: Berth) -> None:
    stranger = replace(berth, env={**berth.env, "BERTH_PORT": "1", "BERTH_HTTP_PORT": "2", "BERTH_ETCD_PORT": "3"})
    assert all(line["ok"] for line in stranger.status().values())
    words = stranger.run("status")
    assert f"panel at http://127.0.0.1:{berth.env['BERTH_PORT']}/" in words
    assert f"BERTH_PORT (1 here, {berth.env['BERTH_PORT']} there)" in words
    assert "other settings" not in berth.run("status")


def test_a_printed_token_opens_the_api(berth: Berth) -> None:
    token = berth.run("token", "from the test", "--days", "1").strip()
    assert berth.api("/groups", token)[0] == 200
    assert berth.api("/groups", token + "x")[0] == 401


def test_the_tour_of_the_readme_can_be_pasted(berth: Berth) -> None:
    text = (ROOT / "README.md").read_text()
    tour = text[text.index("**With curl**") : text.index("Your own images")]
    script = "\n".join(line for line in tour.splitlines() if line.startswith("    "))
    for usual, setting in (
        ("127.0.0.1:8000", "PORT"),
        ("127.0.0.1:8080", "HTTP_PORT"),
        ("127.0.0.1:5050", "REGISTRY_PORT"),
    ):
        assert usual in script
        script = script.replace(usual, f"127.0.0.1:{berth.env[f'BERTH_{setting}']}")
    done = subprocess.run(
        ["bash", "-u"], input=script, cwd=ROOT, env=dict(berth.env), capture_output=True, text=True, check=False
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert (done.returncode, done.stderr) == (0, ""), said
    assert '"status":"succeeded"' in done.stdout, said
    assert not re.search(r'"status":[45]', done.stdout), said  # the problems
    assert berth.api("/groups/tour", berth.run("token", "after the tour").strip())[0] == 404, said


def test_a_second_up_is_refused(berth: Berth) -> None:
    assert "running already" in berth.up(code=1)


def test_a_taken_port_is_an_error_that_names_the_setting(berth: Berth) -> None:
    with installation(BERTH_PORT=berth.env["BERTH_PORT"]) as other:
        assert re.search(r"berth: BERTH_PORT: port \d+ is taken by", other.up(code=1))


@pytest.mark.parametrize("name", ["web", "worker", "beat", "observer", "edge", "redis", "etcd", "nursery"])
def test_a_killed_process_is_back_and_that_is_said(berth: Berth, name: str) -> None:
    before = berth.status()[name]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: berth.status()[name]["restarts"] == before["restarts"] + 1, f"{name} was started again")
    until_ready(berth)
    assert f'"event": "ended by SIGKILL; starting it again in 0.5 s", "process": "{name}"' in berth.run(
        "logs", "supervisor"
    )
    assert berth.app_answers() == 200


def test_a_killed_haproxy_is_back_and_counted(berth: Berth) -> None:
    before = berth.status()["haproxy"]
    berth.process("haproxy").kill()
    wait_until(lambda: berth.status()["haproxy"]["restarts"] == before["restarts"] + 1, "its end was counted")
    until_ready(berth)
    assert berth.status()["haproxy"]["pid"] != before["pid"]
    assert berth.app_answers() == 200


@pytest.mark.parametrize(
    "name", ["web", "worker", "beat", "observer", "edge", "redis", "etcd", "registry", "nursery", "haproxy"]
)
def test_a_process_that_a_signal_stopped_is_not_called_ready(berth: Berth, name: str) -> None:
    stopped = front.haproxies(berth.home) if name == "haproxy" else [berth.process(name)]
    for one in stopped:
        one.signal(signal.SIGSTOP)
    try:
        line = berth.status()[name]
        assert (line["ok"], line["state"]) == (False, "silent")
        assert f"kill -CONT {stopped[0].pid}" in line["why"]
        assert "stopped by a signal" in berth.run("status", code=1)
    finally:
        for one in stopped:
            one.signal(signal.SIGCONT)
    until_ready(berth)
    assert berth.app_answers() == 200


def test_a_killed_supervisor_takes_its_children_along_and_the_next_picks_everything_up(
    berth: Berth, engine: docker.APIClient
) -> None:
    apps, haproxy, worker = containers(engine, berth), berth.process("haproxy"), berth.process("worker")
    berth.process("supervisor").kill()
    assert berth.app_answers() == 200
    assert worker.wait(20)
    assert "supervisor  stopped" in berth.run("status", code=1)
    berth.up()
    assert berth.app_answers() == 200
    assert containers(engine, berth) == apps
    assert berth.process("haproxy") == haproxy


def test_down_leaves_apps_and_edge_serving_and_up_picks_them_up(berth: Berth, engine: docker.APIClient) -> None:
    apps, haproxy = containers(engine, berth), berth.process("haproxy")
    assert len(apps) == 2
    assert "apps and edge serve on" in berth.run("down")
    lines = berth.status()
    assert {name for name, line in lines.items() if line["ok"]} == {"engine", "haproxy"}
    assert get(int(berth.env["BERTH_PORT"]), "/", {})[0] == 0
    assert berth.app_answers() == 200
    berth.up()
    assert berth.app_answers() == 200
    assert containers(engine, berth) == apps
    assert berth.process("haproxy") == haproxy


def test_ctrl_c_stops_it_in_the_foreground(berth: Berth) -> None:
    berth.run("down")
    assert "Ctrl-C stops Berth" in foreground(berth)
    assert berth.app_answers() == 200
    assert not berth.status()["supervisor"]["ok"]


def test_without_its_database_it_does_not_start_and_no_container_is_lost(
    berth: Berth, engine: docker.APIClient
) -> None:
    before = containers(engine, berth)
    berth.run("down")
    aside = berth.home.parent / "aside"
    aside.mkdir()
    for file in berth.home.glob("berth.sqlite3*"):
        file.rename(aside / file.name)
    for _ in range(2):  # what the first attempt leaves is no database either
        assert "DATABASE_URL: the database is new, and this Berth was up with another one" in berth.up(code=1)
    assert berth.app_answers() == 200
    for file in berth.home.glob("berth.sqlite3*"):
        file.unlink()
    for file in aside.iterdir():
        file.rename(berth.home / file.name)
    berth.up()
    until_ready(berth)
    assert containers(engine, berth) == before != {}


def test_down_all_names_who_holds_a_network_and_ends_when_said_again(
    berth: Berth, engine: docker.APIClient, foreign: dict[str, str]
) -> None:
    installation = berth.secret("installation")
    label = {"label": f"dev.berth.installation={installation}"}
    theirs = engine.inspect_container(foreign["container"])["Name"].removeprefix("/")
    (network,) = engine.networks(filters=label)
    engine.connect_container_to_network(foreign["container"], network["Id"])
    words = berth.run("down", "--all", "--yes", code=1)
    assert f"network {network['Name']} is used by container {theirs}, which is not Berth's: disconnect" in words
    assert engine.containers(all=True, filters=label) == []
    assert network["Name"] in engine.inspect_container(foreign["container"])["NetworkSettings"]["Networks"]
    assert berth.home.exists()
    engine.disconnect_container_from_network(foreign["container"], network["Id"])
    berth.run("down", "--all", "--yes")
    assert engine.networks(filters=label) == []
    assert not berth.home.exists()
    berth.up()


def test_down_all_removes_what_berth_created_and_nothing_else(
    berth: Berth, engine: docker.APIClient, foreign: dict[str, str]
) -> None:
    label = {"label": f"dev.berth.installation={berth.secret('installation')}"}
    haproxy, registry = berth.process("haproxy"), f"127.0.0.1:{berth.env['BERTH_REGISTRY_PORT']}/"
    assert "nobody to ask" in berth.run("down", "--all", code=1)
    assert containers(engine, berth)
    berth.run("down", "--all", "--yes")
    assert not berth.home.exists()
    assert not haproxy.alive
    assert berth.app_answers() == 0
    assert engine.containers(all=True, filters=label) == []
    assert engine.networks(filters=label) == []
    assert engine.volumes(filters=label)["Volumes"] in (None, [])
    named = [tag for image in engine.images() for tag in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]]
    assert [name for name in named if name.startswith(registry)] == []
    assert engine.inspect_container(foreign["container"])["State"]["Running"]
    assert engine.inspect_network(foreign["network"])
    assert engine.inspect_volume(foreign["volume"])
    assert foreign["image"] in named
    assert "There is no Berth" in berth.run("down")
    assert "./berth up makes one" in berth.run("token", "too early", code=1)
    berth.up()  # for whatever test comes next: a home can be made anew
