"""What the loop and the placement find is said in the reader's language, however deep in a reason it is."""

from __future__ import annotations

import string
from types import SimpleNamespace

import pytest
from django.utils import translation

from apps.applications.models import App
from apps.events.services import record
from apps.groups.models import Group
from apps.reasons import said
from scheduler.health import judge
from scheduler.model import Edge, ExecHealth, Probe, Process
from scheduler.reasons import Amount, Unit, because
from scheduler.store.recording import difference
from tests.unit.scheduler import build
from tests.web.api import Api

EDGES = (Edge("edge-1", 5),)
DOWN = (Probe("edge-1", False, build.NOW),)
STATES = [
    *({"process": process} for process in (Process.EXITED, Process.MISSING, Process.PAUSED, Process.RESTARTING)),
    {"process": Process.RESTARTING, "oom_killed": True},
    *({"exec_health": health} for health in (ExecHealth.UNHEALTHY, ExecHealth.STARTING)),
    {"probes": ()},
    {"probes": DOWN},
]


def in_chinese(reason: object) -> str:
    with translation.override("zh-hans"):
        return said(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_every_verdict_of_the_loop_is_said_in_chinese(state: dict[str, object]) -> None:
    detail = judge(build.instance(0, **state), EDGES).detail
    shown = in_chinese(because("unhealthy", seconds=4, verdict=detail).as_dict())
    assert not set(shown.replace("edge-1", "").replace("MiB", "").replace(" s", "")) & set(string.ascii_letters), shown


def test_every_difference_of_a_container_is_said_in_chinese() -> None:
    row = SimpleNamespace(memory=9, cpu=2, address="10.0.0.2")
    for address in ("", "10.0.0.9"):
        found = SimpleNamespace(memory=7, cpu=1, address=address, networks=("a", "b"), process=Process.RUNNING)
        differs = difference(row, found)  # type: ignore[arg-type]
        assert str(differs) == (
            "memory 7 instead of 9 bytes; CPU 1 instead of 2 thousandths;"
            f" address {address or 'none'} instead of 10.0.0.2; attached to 2 networks"
        )
        shown = in_chinese(because("drifted", difference=differs))
        assert not set(shown.replace("CPU", "").replace("Berth", "")) & set(string.ascii_letters), shown


def test_a_container_as_it_was_made_does_not_differ() -> None:
    row = SimpleNamespace(memory=9, cpu=2, address="10.0.0.2")
    found = SimpleNamespace(memory=9, cpu=2, address="10.0.0.2", networks=("a",), process=Process.RUNNING)
    assert difference(row, found) is None  # type: ignore[arg-type]


def test_what_an_edge_said_stays_as_it_is() -> None:
    words = because("edge_says", edge="edge", words="L4CON Connection refused")
    assert in_chinese(words) == "edge：L4CON Connection refused"


def test_sentences_of_older_rows_stay_as_they_are() -> None:
    assert in_chinese("its process is exited") == "its process is exited"
    assert (
        in_chinese({"code": "awaiting_placement", "params": {"explanation": "0 of 1 nodes fit"}}) == "0 of 1 nodes fit"
    )
    assert in_chinese(None) == in_chinese("") == ""


@pytest.mark.django_db
def test_events_keep_reasons_and_amounts_as_values_and_the_api_says_them_in_english(
    group: Group, people: SimpleNamespace
) -> None:
    why = because("drifted", difference=because("paused"))
    limit = Amount(512 << 20, Unit.BYTES)
    about = {"slot": 0, "generation": 1, "limit": limit}
    event = record("instance.out_of_memory", app=App.objects.create(group=group, name="web"), reason=why, **about)
    event.refresh_from_db()
    assert event.params["limit"] == {"amount": 512 << 20, "unit": "bytes"}
    assert event.reason == {"code": "drifted", "params": {"difference": {"code": "paused", "params": {}}}}
    shown = Api(people.viewer).get("/events").json()["items"][0]
    assert shown["params"]["limit"] == "512 MiB"
    assert shown["reason"]["params"] == {"difference": "paused"}
    assert shown["message"] == (
        "instance 0-1 of web ran out of memory: limit 512 MiB: its container was changed behind Berth's back: paused"
    )
