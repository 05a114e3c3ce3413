from __future__ import annotations

import subprocess
from pathlib import Path

from scheduler import discovery
from tests import services
from tests.real.edge.conftest import Bench, config, endpoint
from tests.real.edge.server import get
from tests.services import wait_until


def _run(bench: Bench, *words: str, folder: Path | None = None, code: int = 0) -> list[str]:
    argv = [*bench.agent.argv, *words, *(["--folder", str(folder)] if folder else [])]
    done = subprocess.run(argv, env=bench.agent.env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout.splitlines()


def test_noop_says_what_would_be_done_and_does_nothing(bench: Bench, tmp_path: Path) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    bench.up("shop", "0-1")
    assert _run(bench, "--once", "--noop")[0].startswith("nothing to do at revision ")
    bench.agent.kill()

    bench.publish("shop", config("shop.test"), endpoint("0-1", server, draining=True))
    bench.publish("blog", config("blog.test"))
    content = {path: path.read_bytes() for path in bench.agent.folder.rglob("*.cfg")}
    assert _run(bench, "--once", "--noop") == [
        "team/blog: reload: the app is new",
        "team/shop: set server team.shop/s1 state drain",
    ]
    assert content == {path: path.read_bytes() for path in bench.agent.folder.rglob("*.cfg")}
    assert bench.get("shop.test") == (200, "one")

    assert _run(bench, "--once", "--noop", folder=tmp_path / "none")[1] == "team/shop: reload: the app is new"
    assert not (tmp_path / "none").exists()


def test_once_serves_what_etcd_says_and_ends(bench: Bench) -> None:
    bench.agent.kill()
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    assert _run(bench, "--once") == []
    bench.answers("shop.test", (200, "one"))


def test_a_second_agent_does_not_run_in_the_same_folder(bench: Bench) -> None:
    _run(bench, code=1)
    assert bench.get("shop.test")[0] == 404


def test_wrong_arguments_are_named(bench: Bench) -> None:
    for words in (["--noop"], ["--etcd", "nowhere"], ["--name", "No Name"]):
        _run(bench, *words, code=2)


def test_an_address_that_is_taken_ends_the_agent_with_a_word(bench: Bench) -> None:
    taken = f"127.0.0.1:{bench.server('one').server_port}"
    argv = [*bench.agent.argv, "--http-bind", taken, "--folder", str(bench.agent.home / "edge2")]
    done = subprocess.run(argv, env=bench.agent.env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert len(bench.agent.haproxies()) == 2


def test_two_edges_serve_and_report_each_for_itself(bench: Bench, tmp_path: Path) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    home = tmp_path / "second"
    home.mkdir()
    with services.edge(home, bench.address, bench.prefix, "second") as second:
        wait_until(lambda: len(bench.edges()) == 2, "both are present")
        reports = lambda: discovery.read_reports(bench.etcd, "team", "shop", bench.edges())  # noqa: E731
        wait_until(lambda: len(reports()) == 2, "both report")
        assert {edge for report in reports().values() for edge in (report.probes["0-1"].edge,)} == {"edge", "second"}
        assert get(second.port, "shop.test") == (200, "one")
    bench.publish("shop", None)
    wait_until(lambda: "edges/reports/team/shop/edge" not in bench.etcd.keys(discovery.REPORTS), "its report is gone")
