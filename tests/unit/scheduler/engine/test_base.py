from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.engine.base import EngineError, EngineFault, EngineUnreachable, Labels

words = st.text(min_size=1)
numbers = st.integers(-(10**18), 10**18)
containers = st.builds(Labels, words, words, words, numbers, numbers, numbers, numbers, st.text())
networks = st.builds(Labels, words, words)

WEB = Labels("f00d", "team", "web", app_id=7, slot=2, generation=9, release=4, template="0123abcd")


def test_a_containers_labels_say_who_it_belongs_to() -> None:
    assert WEB.as_dict() == {
        "dev.berth.installation": "f00d",
        "dev.berth.group": "team",
        "dev.berth.app": "web",
        "dev.berth.app-id": "7",
        "dev.berth.slot": "2",
        "dev.berth.generation": "9",
        "dev.berth.release": "4",
        "dev.berth.template": "0123abcd",
    }


def test_a_networks_labels_are_those_of_its_group_alone() -> None:
    assert Labels("f00d", "team").as_dict() == {"dev.berth.installation": "f00d", "dev.berth.group": "team"}


@given(containers | networks)
def test_labels_come_back_as_they_were_written(labels: Labels) -> None:
    assert Labels.from_dict(labels.as_dict()) == labels


@given(containers | networks, st.dictionaries(words, st.text()))
def test_what_an_image_brings_along_does_not_hide_them(labels: Labels, others: dict[str, str]) -> None:
    others = {key: value for key, value in others.items() if not key.startswith(Labels.PREFIX)}
    assert Labels.from_dict({**others, "dev.berth.extra": "1", **labels.as_dict()}) == labels


@given(containers, st.sampled_from(sorted(WEB.as_dict().keys() - {"dev.berth.app", "dev.berth.template"})))
def test_labels_that_miss_one_are_not_berths(labels: Labels, missing: str) -> None:
    written = labels.as_dict()
    del written[missing]
    assert Labels.from_dict(written) is None


@pytest.mark.parametrize("text", ["", " 7", "07", "+7", "-0", "7.0", "٧", "seven", "1_0"])
def test_a_number_that_berth_would_not_write_is_not_berths(text: str) -> None:
    assert Labels.from_dict({**WEB.as_dict(), "dev.berth.slot": text}) is None


def test_labels_of_others_are_not_berths() -> None:
    assert Labels.from_dict({}) is None
    assert Labels.from_dict({"com.example.group": "team"}) is None


def test_the_engine_itself_may_recover_and_nothing_else() -> None:
    temporary = {error for error in EngineError.__subclasses__() if error.temporary}
    assert temporary == {EngineUnreachable, EngineFault}
