from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import discovery
from tests.real.edge.conftest import Bench, Benches, config, endpoint
from tests.services import wait_until

# HAProxy as it is, except that it refuses to check a file that names a cursed path
WRAPPER = """#!/bin/sh
if [ "$1" = -c ]; then
    for word; do
        case $word in *.cfg) if grep -q cursed "$word"; then echo "[ALERT] (1) : cursed" >&2; exit 1; fi ;; esac
    done
fi
exec /usr/sbin/haproxy "$@"
"""


@pytest.fixture
def picky(benches: Benches, etcd_address: tuple[str, int], tmp_path: Path) -> Bench:
    """A bench whose HAProxy refuses what is cursed."""
    wrapper = tmp_path / "bin" / "haproxy"
    wrapper.parent.mkdir()
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    return benches.make(etcd_address, {"PATH": f"{wrapper.parent}:/usr/sbin:/usr/bin:/bin"})


def test_a_config_that_haproxy_refuses_stays_as_it_was_and_the_others_go_on(picky: Bench) -> None:
    old, new = picky.server("old"), picky.server("new")
    picky.publish("shop", config("shop.test"), endpoint("0-1", old))
    picky.up("shop", "0-1")
    cursed = config("shop.test", "new.test/cursed")
    picky.etcd.write(
        {
            discovery.config_key("team", "shop"): discovery.dump_config(cursed),
            discovery.config_key("team", "bad"): discovery.dump_config(cursed),
            discovery.config_key("team", "good"): discovery.dump_config(config("good.test")),
            discovery.endpoint_key("team", "good", "0-1"): discovery.dump_endpoint(endpoint("0-1", new)),
        }
    )
    picky.answers("good.test", (200, "new"))
    for app in ("shop", "bad"):
        wait_until(lambda app=app: (said := picky.report(app)) and "cursed" in said.refused, "it is said why not")
    assert picky.get("shop.test") == (200, "old")
    assert picky.get("new.test")[0] == 404

    # its instances change all the same: whoever reads that a revision is applied stops the old one
    picky.applied(picky.publish("shop", cursed, endpoint("0-2", new)))
    picky.answers("shop.test", (200, "new"))
    more = [endpoint(f"{n}-3", new) for n in range(6)]
    picky.applied(picky.publish("shop", cursed, *more))
    picky.up("shop", "5-3")

    picky.applied(picky.publish("shop", config("new.test"), *more))
    picky.answers("new.test", (200, "new"))
    wait_until(lambda: picky.report("shop").refused == "", "nothing is refused any more")


def test_what_may_not_be_rendered_is_refused_and_the_rest_is_served(bench: Bench) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    bench.up("shop", "0-1")
    text = discovery.dump_config(config("shop.test")).replace("shop.test", "shop.test\\\\n    bind :1")
    revision = bench.etcd.write(
        {
            discovery.config_key("team", "shop"): text,
            discovery.endpoint_key("team", "shop", "0-2"): '{"address":"1.1.1.1;shutdown","port":1,"draining":false}',
            "apps/te am/shop/config": discovery.dump_config(config("team.test")),
            "apps/team/Shop/config": "no JSON",
        }
    )
    bench.applied(revision)
    wait_until(lambda: (said := bench.report("shop")) and "host" in said.refused, "it is said why not")
    assert "'endpoints/0-2'" in bench.report("shop").refused
    assert bench.get("shop.test") == (200, "one")
    bench.applied(bench.publish("more", config("more.test"), endpoint("0-1", server)))
    bench.answers("more.test", (200, "one"))


def test_a_reload_that_fails_as_a_whole_leaves_all_as_it_was_and_is_tried_again(bench: Bench) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    bench.up("shop", "0-1")
    broken = bench.agent.folder / "conf" / "zz.cfg"
    broken.write_text("nonsense\n")
    revision = bench.publish("more", config("more.test"), endpoint("0-1", server))
    wait_until(lambda: (said := bench.report("more")) and "nonsense" in said.refused, "it is said why not")
    with bench.load("shop.test") as load:
        bench.publish("shop", config("shop.test"), endpoint("0-1", server), endpoint("1-1", server))
        bench.up("shop", "1-1")
        assert bench.edges()[0].applied < revision
        broken.unlink()
        bench.applied(revision)
    bench.answers("more.test", (200, "one"))
    wait_until(lambda: bench.report("more").refused == "", "nothing is refused any more")
    assert set(load.answers) == {"200"}
