"""Phrases of the loop inside its reasons are said in the reader's language, all that it writes of them."""

from __future__ import annotations

import pytest
from django.utils import translation

from apps.events.messages import reason_text
from apps.events.verdicts import spoken
from scheduler.health import judge
from scheduler.model import Edge, ExecHealth, Probe, Process
from scheduler.reasons import because
from tests.unit.scheduler import build

EDGES = (Edge("edge-1", 5),)
DOWN = (Probe("edge-1", False, build.NOW),)
STATES = [
    *({"process": process} for process in (Process.EXITED, Process.MISSING, Process.PAUSED, Process.RESTARTING)),
    {"process": Process.RESTARTING, "oom_killed": True},
    *({"exec_health": health} for health in (ExecHealth.UNHEALTHY, ExecHealth.STARTING)),
    {"probes": ()},
    {"probes": DOWN},
]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_every_verdict_of_the_loop_is_known(state: dict[str, object]) -> None:
    detail = judge(build.instance(0, **state), EDGES).detail
    assert detail
    with translation.override("zh-hans"):
        said = spoken(detail)
    assert said != detail
    for word in ("its", "process", "health", "memory", "limit", "probe", "reports"):
        assert word not in said, said


def test_what_an_edge_said_stays_as_it_is() -> None:
    with translation.override("zh-hans"):
        assert spoken("edge: L4CON Connection refused") == "edge: L4CON Connection refused"
        assert "memory" not in reason_text(because("drifted", difference="memory 7 instead of 9 bytes"))
