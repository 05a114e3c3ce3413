"""Reasons as values: what they are made with, how they are stored, how they read."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.reasons import FIGURES, TEMPLATES, Amount, Reason, Unit, because, in_english, joined, rounded_up, text
from scheduler.reasons.found import FOUND
from scheduler.reasons.loop import LOOP
from scheduler.reasons.placement import PLACEMENT
from scheduler.reasons.templates import JOINING

ROOT = Path(__file__).parents[3]
SOURCES = [path for room in ("scheduler", "apps") for path in sorted((ROOT / room).rglob("*.py"))]
MADE_ELSEWHERE = ROOT / "scheduler/reasons"

SHORT = because(
    "resource_short",
    resource=because("memory"),
    nodes=2,
    needs=Amount(512 << 20, Unit.BYTES),
    most=Amount(300 << 20, Unit.BYTES),
)
WAITS = because("awaiting_placement", explanation=because("none_fits", nodes=3, shortages=(SHORT, "all else")))
SAID = "0 of 3 nodes fit: memory short on 2 (needs 512 MiB, at most 300 MiB free), all else"


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every `because` whose code stands there, with that code."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "because":
                first = node.args[0]
                for code in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                    if isinstance(code, ast.Constant):
                        yield code.value, node


def test_every_call_gives_its_template_what_it_has_places_for() -> None:
    found = list(calls())
    assert len(found) > 100
    for code, call in found:
        named = {keyword.arg for keyword in call.keywords}
        if None in named:  # some come as a mapping
            assert named - {None} <= FIGURES[code], ast.unparse(call)
        else:
            assert named == FIGURES[code], ast.unparse(call)


def test_every_template_is_said_by_someone() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES if not path.is_relative_to(MADE_ELSEWHERE))
    words = set(re.findall(r'"(\w+)"', sources))
    assert TEMPLATES.keys() - words == set()


def test_a_code_stands_in_one_table_alone() -> None:
    assert len(TEMPLATES) == sum(map(len, (JOINING, LOOP, FOUND, PLACEMENT)))


@pytest.mark.parametrize("code", TEMPLATES)
def test_a_template_has_named_places_alone(code: str) -> None:
    assert "%" not in re.sub(r"%\(\w+\)s|%%", "", TEMPLATES[code])


def test_a_reason_has_exactly_the_figures_of_its_template() -> None:
    with pytest.raises(TypeError, match="exited is said with"):
        because("exited")
    with pytest.raises(TypeError, match="exited is said with"):
        because("exited", code=1, signal=9)
    with pytest.raises(KeyError):
        because("vanished")


def test_a_reason_says_those_that_it_holds() -> None:
    assert str(WAITS) == SAID


def test_what_is_stored_becomes_the_same_reason_again() -> None:
    kept = json.loads(json.dumps(WAITS.as_dict()))
    assert Reason.from_dict(kept) == WAITS
    assert hash(Reason.from_dict(kept)) == hash(WAITS)
    assert Reason.from_dict(kept).as_dict() == kept
    assert text(kept) == SAID


def test_each_template_is_translated_and_what_it_holds_as_well() -> None:
    said = text(
        WAITS, lambda template: template.replace(", ", "; ").replace("memory", "Speicher").replace(" on ", " auf ")
    )
    assert said == "0 of 3 nodes fit: Speicher short auf 2 (needs 512 MiB; at most 300 MiB free); all else"


def test_sentences_and_gaps_of_older_rows_are_said_as_they_are() -> None:
    assert text({"code": "unhealthy", "params": {"seconds": 4, "verdict": "its process is exited"}}) == (
        "unhealthy for 4 s: its process is exited"
    )
    assert text({"code": "exited", "params": {}}) == "its process ended with code …"
    assert text({"code": "from_the_future", "params": {"a": 1}}) == "from_the_future"
    assert text("a sentence with 5 %") == "a sentence with 5 %"


def test_a_percent_sign_of_a_figure_is_no_place() -> None:
    assert text(because("edge_says", edge="e", words="50 %(x)s")) == "e: 50 %(x)s"


def test_stored_figures_are_in_english_for_the_api() -> None:
    shown = in_english(
        {"summary": WAITS.as_dict(), "needs": {"amount": 250, "unit": "millicores"}, "nodes": [{"a": 1}]}
    )
    assert shown == {"summary": SAID, "needs": "0.25 cores", "nodes": [{"a": 1}]}


def test_several_are_joined_to_one() -> None:
    assert str(joined("both", [because("missing"), because("paused"), because("kept")])) == (
        "its container was removed behind Berth's back and paused and room is being made here for a higher priority"
    )
    assert joined("both", ["alone"]) == "alone"
    assert joined("both", []) is None


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [
        (0, Unit.BYTES, "0 B"),
        (1023, Unit.BYTES, "1023 B"),
        (1 << 20, Unit.BYTES, "1 MiB"),
        (int(12.3 * (1 << 20)), Unit.BYTES, "12.3 MiB"),
        (-(300 << 20), Unit.BYTES, "-300 MiB"),
        (5 << 40, Unit.BYTES, "5 TiB"),
        (2000, Unit.MILLICORES, "2 cores"),
        (250, Unit.MILLICORES, "0.25 cores"),
        (1, Unit.MILLICORES, "0.001 cores"),
    ],
)
def test_an_amount_reads_in_its_unit(amount: int, unit: Unit, said: str) -> None:
    assert str(Amount(amount, unit)) == said


@pytest.mark.parametrize("size", [1, 1023, 1025, (1 << 20) - 1, (1 << 20) + 1, 3 * (1 << 30) + 7, (7 << 40) + 3])
def test_what_is_rounded_up_is_said_as_no_less(size: int) -> None:
    number, unit = str(Amount(rounded_up(size), Unit.BYTES)).split()
    in_bytes = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit]
    assert size <= rounded_up(size)
    assert float(number) * in_bytes >= size
