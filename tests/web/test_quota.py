"""Quotas under changes in parallel: the sum never exceeds them, and is what the apps' specs add up to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from apps.applications import services
from apps.applications.models import App, Route
from apps.applications.releases import held
from apps.errors import Conflict, Invalid
from apps.groups import services as groups
from apps.groups.models import Group
from apps.groups.services import reserved_of
from scheduler.engine.fake import FakeEngine
from scheduler.model import Resources
from tests.web.conftest import GIB, IMAGE

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 6


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run all of them at the same moment; what each returned or refused."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except (Conflict, Invalid) as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "resources": {"cpu": 1, "memory": "64MiB"}, **more}


def check(group: Group) -> Resources:
    """What is reserved, having made sure that it is what the apps add up to."""
    group.refresh_from_db()
    reserved = reserved_of(group)
    assert reserved == sum((held(app) for app in group.apps.select_related("release")), Resources())
    assert reserved.fits(groups.quota_of(group))
    return reserved


def test_new_apps_in_parallel_share_the_quota(people: SimpleNamespace, engine: FakeEngine) -> None:
    group = groups.create_group(None, "shop", Resources(3000, GIB, 0, 100))
    answers = at_once([lambda n=n: services.create_app(None, group, spec(f"web-{n}")) for n in range(THREADS)])
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(refused) == THREADS - 3
    assert {refusal.code for refusal in refused} == {"over_quota"}
    assert check(group) == Resources(3000, 3 * (64 << 20), 0, 3)
    assert group.apps.count() == 3


def test_changes_of_one_app_in_parallel_all_count(people: SimpleNamespace, engine: FakeEngine) -> None:
    group = groups.create_group(None, "shop", Resources(20_000, 16 * GIB, 0, 100))
    services.create_app(None, group, spec("web"))
    app = App.objects.get()
    changes = [{"env": {f"KEY_{n}": "x"}, "replicas": n + 1} for n in range(THREADS)]
    answers = at_once([lambda c=c: services.change_app(None, app, c) for c in changes])
    done = [answer for answer in answers if not isinstance(answer, Conflict)]
    assert {answer.code for answer in answers if isinstance(answer, Conflict)} <= {"busy"}
    app.refresh_from_db()
    # every change that was accepted merged into the one before it: no update is lost
    assert len(app.release.spec["env"]) == len(done)
    assert sorted(release.number for release in app.releases.all()) == list(range(1, len(done) + 2))
    check(group)


def test_stops_starts_and_scalings_in_parallel_leave_the_sum_right(people: SimpleNamespace, engine: FakeEngine) -> None:
    group = groups.create_group(None, "shop", Resources(4000, GIB, 0, 100))
    for name in ("a", "b"):
        services.create_app(None, group, spec(name))
    a, b = App.objects.order_by("name")
    for _round in range(3):
        at_once(
            [
                lambda: services.stop(None, a),
                lambda: services.start(None, a),
                lambda: services.scale(None, a, 3),
                lambda: services.scale(None, b, 2),
                lambda: services.restart(None, b),
                lambda: services.stop(None, b),
            ]
        )
        check(group)
        assert App.objects.filter(operations__status="pending").distinct().count() <= 2
    for app in (a, b):
        services.delete_app(None, app)
    assert check(group) == Resources()


def test_one_of_two_groups_gets_a_route(people: SimpleNamespace, engine: FakeEngine) -> None:
    both = [groups.create_group(None, name, Resources(8000, GIB, 0, 100)) for name in ("shop", "other")]
    hosts = [{"host": "a.test"}, {"host": "b.test"}]
    routes = [hosts, hosts[::-1]] * 3
    answers = at_once(
        [lambda n=n: services.create_app(None, both[n % 2], spec(f"w{n}", routes=routes[n])) for n in range(THREADS)]
    )
    assert sum(not isinstance(answer, Invalid) for answer in answers) == 1
    assert {error.code for answer in answers if isinstance(answer, Invalid) for error in answer.errors} == {
        "route_taken"
    }
    assert Route.objects.count() == 2
    for group in both:
        check(group)


def test_a_quota_never_falls_below_what_is_reserved_meanwhile(people: SimpleNamespace, engine: FakeEngine) -> None:
    group = groups.create_group(None, "shop", Resources(8000, GIB, 0, 100))
    calls: list[Callable[[], Any]] = [
        lambda n=n: services.create_app(None, group, spec(f"web-{n}")) for n in range(THREADS - 2)
    ]
    less = Resources(2000, GIB, 0, 100)
    calls += [lambda: groups.set_quota(people.admin, Group.objects.get(), less)] * 2
    at_once(calls)
    check(group)


def test_groups_made_at_once_get_networks_of_their_own(people: SimpleNamespace) -> None:
    quota = Resources(1, 1, 1, 1)
    made = at_once([lambda n=n: groups.create_group(None, f"g{n}", quota) for n in range(THREADS)])
    assert len({group.subnet for group in made}) == THREADS
    names = at_once([lambda: groups.create_group(None, "same", quota)] * THREADS)
    assert sum(isinstance(answer, Group) for answer in names) == 1
    assert {answer.code for answer in names if isinstance(answer, Conflict)} == {"group_exists"}


def test_of_two_owners_who_remove_each_other_one_stays(people: SimpleNamespace) -> None:
    group = groups.create_group(None, "shop", Resources(1, 1, 1, 1))
    for name in ("owner", "developer"):
        groups.set_member(people.admin, group, name, "owner")
    answers = at_once(
        [lambda name=name: groups.remove_member(people.admin, group, name) for name in ("owner", "developer")]
    )
    assert [answer.code for answer in answers if isinstance(answer, Conflict)] == ["last_owner"]
    assert group.memberships.count() == 1
