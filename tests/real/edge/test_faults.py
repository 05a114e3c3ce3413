from __future__ import annotations

import os
import signal

import pytest

from scheduler import discovery
from scheduler.model import HealthCheck
from tests.real.edge.conftest import Bench, config, endpoint
from tests.real.scheduler.test_etcd import RealBench
from tests.services import wait_until

RARE = HealthCheck(interval=3600)


def test_an_agent_that_is_killed_and_started_again_adopts_haproxy(bench: Bench) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", server))
    bench.up("shop", "0-1")
    since = bench.probe("shop", "0-1").since
    processes = bench.agent.haproxies()
    with bench.load("shop.test") as load:
        bench.agent.kill()
        bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", server), endpoint("1-1", server))
        enough = load.done + 50
        wait_until(lambda: load.done > enough, "requests go on without the agent")
        bench.agent.start()
        bench.up("shop", "1-1")
    assert set(load.answers) == {"200"}
    assert bench.agent.haproxies() == processes
    wait_until(lambda: bench.probe("shop", "0-1").since == since, "the verdict is as old as it is")


def test_an_agent_that_is_asked_to_end_leaves_haproxy_serving(bench: Bench) -> None:
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    bench.up("shop", "0-1")
    assert bench.agent.stop() == 0
    assert bench.get("shop.test") == (200, "one")


def test_an_agent_that_died_in_a_change_finds_out_what_haproxy_missed(bench: Bench) -> None:
    """The files are written before HAProxy is told, so they may be ahead of it."""
    servers = bench.server("one"), bench.server("two")
    bench.publish("shop", config("shop.test"), endpoint("0-1", servers[0]))
    bench.up("shop", "0-1")
    bench.agent.kill()
    file = bench.agent.folder / "conf" / "team.shop.cfg"
    text = file.read_text()
    taken = f"127.0.0.1:{servers[0].server_port} # 0-1"
    spare = "127.0.0.1:1 disabled"
    changed = text.replace(taken, spare).replace(
        f"server s2 {spare}", f"server s2 127.0.0.1:{servers[1].server_port} # 0-2"
    )
    file.write_text(changed)
    bench.publish("shop", config("shop.test"), endpoint("0-2", servers[1]))
    bench.agent.start()
    bench.answers("shop.test", (200, "two"))
    bench.up("shop", "0-2")


def test_an_agent_that_died_before_a_reload_makes_up_for_it(bench: Bench) -> None:
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    bench.up("shop", "0-1")
    bench.agent.kill()
    (bench.agent.folder / "conf" / "team.shop.cfg").rename(bench.agent.folder / "conf" / "team.new.cfg")
    (bench.agent.folder / "reloading").touch()
    bench.publish("new", config("shop.test"), endpoint("0-1", bench.server("new")))
    bench.publish("shop", None)
    bench.agent.start()
    bench.answers("shop.test", (200, "new"))


def test_files_that_nobody_can_read_are_written_anew(bench: Bench) -> None:
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    bench.publish("blog", config("blog.test"), endpoint("0-1", bench.server("two")))
    bench.up("shop", "0-1")
    bench.up("blog", "0-1")
    bench.agent.kill()
    for process in bench.agent.haproxies():
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not bench.agent.haproxies(), "HAProxy is gone")
    (bench.agent.folder / "conf" / "team.shop.cfg").write_text("backend half")
    bench.agent.start()
    bench.answers("shop.test", (200, "one"))
    bench.answers("blog.test", (200, "two"))


@pytest.mark.parametrize("which", [0, -1], ids=["master", "worker"])
def test_haproxy_killed_is_back_with_what_was_healthy(bench: Bench, which: int) -> None:
    server, patient = bench.server("one"), HealthCheck(failures=1000)
    bench.publish("shop", config("shop.test", health=patient), endpoint("0-1", server))
    bench.up("shop", "0-1")
    server.check_status = 500  # so that no check can bring it up again
    before = bench.agent.haproxies()
    os.kill(before[which], signal.SIGKILL)
    wait_until(lambda: set(bench.agent.haproxies()).isdisjoint(before), "the old processes are gone")
    bench.answers("shop.test", (200, "one"))
    bench.applied(bench.publish("more", config("more.test")))


def test_etcd_killed_takes_nothing_out_and_is_caught_up_with(frail: Bench, own_etcd: RealBench) -> None:
    server, other = frail.server("one"), frail.server("two")
    frail.publish("shop", config("shop.test"), endpoint("0-1", server))
    frail.up("shop", "0-1")
    with frail.load("shop.test") as load:
        own_etcd.kill()
        enough = load.done + 50
        wait_until(lambda: load.done > enough, "requests go on without etcd")
        own_etcd.start()
        wait_until(lambda: frail.edges(), "the edge is present again")
        frail.applied(frail.publish("more", config("more.test"), endpoint("0-1", other)))
    assert set(load.answers) == {"200"}
    frail.answers("more.test", (200, "two"))


def test_etcd_wiped_takes_nothing_out_until_everything_is_published_anew(frail: Bench, own_etcd: RealBench) -> None:
    server = frail.server("one")
    for app in ("shop", "blog"):
        frail.publish(app, config(f"{app}.test"), endpoint("0-1", server))
    discovery.mark_complete(frail.etcd)
    frail.up("shop", "0-1")
    frail.up("blog", "0-1")
    with frail.load("blog.test") as load:
        own_etcd.wipe()
        wait_until(frail.edges, "the edge is present again")
        frail.up("shop", "0-1")  # nobody publishes: what it sees is said again all the same
        revision = frail.publish("shop", config("shop.test", "shop2.test"), endpoint("0-1", server))
        frail.answers("shop2.test", (200, "one"))
        frail.applied(revision)
    assert set(load.answers) == {"200"}
    discovery.mark_complete(frail.etcd)  # and blog is not among what there is
    frail.status("blog.test", 404)
    wait_until(lambda: frail.report("blog") is None, "nothing is said of it any more")
    frail.answers("shop.test", (200, "one"))


def test_an_edge_that_starts_without_etcd_serves_what_it_served(frail: Bench, own_etcd: RealBench) -> None:
    frail.publish("shop", config("shop.test"), endpoint("0-1", frail.server("one")))
    frail.up("shop", "0-1")
    own_etcd.kill()
    frail.agent.lose_power()
    frail.agent.start()
    frail.answers("shop.test", (200, "one"))
    own_etcd.start()
    wait_until(frail.edges, "the edge is present again")
