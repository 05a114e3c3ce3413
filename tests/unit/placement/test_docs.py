"""The page about the placement names what there is, with the weights that it has."""

import re
from pathlib import Path

from scheduler.placement import PRESETS
from scheduler.placement.profiles import FILTER_NAMES, PHYSICS
from scheduler.placement.scores import SCORES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "placement.md").read_text()


def rows(first):
    """The cells of the table whose head begins with this word."""
    table = re.search(rf"^\| {first} \|.*?(?=\n\n)", PAGE, re.MULTILINE | re.DOTALL)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_every_filter_is_described():
    described = {re.sub("`", "", row[-1]) for row in rows("demand")}
    assert described == FILTER_NAMES


def test_every_score_is_described_with_its_weight_in_every_preset():
    found = {row[0].strip("`"): [int(cell or 0) for cell in row[2:]] for row in rows("score")}
    presets = ("spread", "balanced", "binpack", "fragmentation")
    assert found == {score: [PRESETS[name].weights.get(score, 0) for name in presets] for score in SCORES}
    assert {row[0].strip("`") for row in rows("preset")} == set(PRESETS)


def test_what_cannot_be_left_out_is_named():
    sentence = re.search(r"`state`,.*?cannot be left out", PAGE, re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == PHYSICS


def test_every_file_is_named():
    named = set(re.findall(r"\b(\w+\.py)\b", PAGE))
    files = {path.name for path in (ROOT / "scheduler" / "placement").glob("*.py")} - {"__init__.py"}
    assert files - named == {"keys.py", "types.py"}
    tests = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {"test_cases.py", "test_docs.py"}
    assert tests <= named
