from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.discovery import EPOCH, config_key, dump_config, dump_endpoint, endpoint_key
from scheduler.edge.state import Table, Wanted
from scheduler.etcd_base import Changes, Snapshot
from scheduler.model import Route
from tests.unit.scheduler.edge.build import CONFIG, held

SHOP = ("team", "shop")
KEY = config_key(*SHOP)
SERVED = Wanted(CONFIG, {"0-1": held("0-1")})
TEXTS = {KEY: dump_config(CONFIG), endpoint_key(*SHOP, "0-1"): dump_endpoint(held("0-1"))}

KEYS = st.sampled_from(
    [EPOCH, "apps/_clock", "apps/team/shop/config", "apps/team/shop/endpoints/0-1", "apps/team/blog/config",
     "apps/team/blog/endpoints/0-1", "apps/UP/x/config", "apps/team/shop/else"]
)  # fmt: skip
TEXT = st.sampled_from(["", "no JSON", "{}", dump_config(CONFIG), dump_endpoint(held("0-1")), '{"address":"x"}'])


@given(steps=st.lists(st.dictionaries(KEYS, st.one_of(st.none(), TEXT), min_size=1)))
def test_changes_one_by_one_come_to_the_same_as_a_listing_of_the_outcome(
    steps: list[dict[str, str | None]],
) -> None:
    values = {EPOCH: "e1"}  # without an epoch what was there before matters
    table = Table({})
    table.replace(Snapshot(values, 1))
    for revision, step in enumerate(steps, 2):
        step.pop(EPOCH, None)
        before = dict(table.apps)
        touched = table.update(Changes(step, revision))
        assert touched == {app for app in before.keys() | table.apps.keys() if before.get(app) != table.apps.get(app)}
        for key, text in step.items():
            if text is None:
                values.pop(key, None)
            else:
                values[key] = text
    listed = Table({})
    listed.replace(Snapshot(values, 9))
    good = {app for app, wanted in listed.apps.items() if not wanted.refused}
    assert {app: table.apps[app] for app in good} == {app: listed.apps[app] for app in good}
    assert table.apps.keys() == listed.apps.keys()


def test_what_is_listed_is_what_is_wanted() -> None:
    table = Table({})
    assert table.replace(Snapshot({**TEXTS, EPOCH: "e1", "apps/_clock": "team/shop"}, 7)) == {SHOP}
    assert (table.apps, table.revision, table.epoch) == ({SHOP: SERVED}, 7, "e1")
    assert table.replace(Snapshot({**TEXTS, EPOCH: "e1"}, 8)) == set()


def test_a_wiped_etcd_removes_nothing_until_its_epoch_begins() -> None:
    blog = ("team", "blog")
    table = Table({SHOP: SERVED, blog: SERVED})
    assert table.replace(Snapshot({}, 1)) == set()
    assert table.update(Changes(TEXTS, 2)) == set()
    assert table.apps == {SHOP: SERVED, blog: SERVED}
    assert table.update(Changes({EPOCH: "e2"}, 3)) == {blog}
    assert table.apps == {SHOP: SERVED}


def test_an_app_whose_config_is_there_is_what_etcd_says_even_without_an_epoch() -> None:
    table = Table({SHOP: SERVED})
    assert table.replace(Snapshot({KEY: TEXTS[KEY]}, 1)) == {SHOP}
    assert table.apps == {SHOP: Wanted(CONFIG, {})}


def test_a_refused_config_leaves_the_one_before_and_lets_endpoints_change() -> None:
    table = Table({})
    table.replace(Snapshot({**TEXTS, EPOCH: "e1"}, 1))
    bad = dump_config(replace(CONFIG, routes=(Route("two words.test"),)))
    changes = {KEY: bad, endpoint_key(*SHOP, "0-2"): dump_endpoint(held("0-2", 2))}
    assert table.update(Changes(changes, 2)) == {SHOP}
    wanted = table.apps[SHOP]
    assert wanted.config == CONFIG
    assert sorted(wanted.endpoints) == ["0-1", "0-2"]
    assert wanted.refused == "'config': route: 'two words.test' is no host's name"


def test_a_refused_endpoint_is_left_out() -> None:
    table = Table({})
    table.replace(Snapshot({**TEXTS, endpoint_key(*SHOP, "0-2"): '{"address":"::1","port":1,"draining":false}'}, 1))
    assert table.apps[SHOP].endpoints == SERVED.endpoints
    assert table.apps[SHOP].refused == "'endpoints/0-2': address: '::1' is no IPv4 address"


def test_an_app_whose_name_is_none_is_refused_as_a_whole() -> None:
    table = Table({})
    table.replace(Snapshot({"apps/team/a b/config": dump_config(CONFIG)}, 1))
    assert table.apps == {("team", "a b"): Wanted(refused="'a b' is no name")}
