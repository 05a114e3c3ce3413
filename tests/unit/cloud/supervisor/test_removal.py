"""What `./berth down --all` says before others' things go."""

from __future__ import annotations

from pathlib import Path

from cloud import config
from cloud.config import Config
from cloud.supervisor import removal
from cloud.supervisor.engine import OwnEngine
from scheduler.engine.clearing import Foreign


def berth(home: Path) -> Config:
    return config.read({"BERTH_HOME": str(home), "BERTH_INSTALLATION": "0a1b2c"})


def test_without_an_engine_of_its_own_nothing_goes_besides(tmp_path: Path) -> None:
    assert removal.goes_too(berth(tmp_path)) == ("", False)
    assert removal.own_url(berth(tmp_path)) == ""


def test_an_engine_that_does_not_run_may_have_anything_on_it(tmp_path: Path) -> None:
    own = OwnEngine(tmp_path, "0a1b2c")
    own.record.write_text('{"pid": 1, "started": 1, "boot": "another"}')
    words, works = removal.goes_too(berth(tmp_path))
    assert "nobody can say what else is on it" in words
    assert works
    assert removal.own_url(berth(tmp_path)) == own.url


def test_what_is_not_berths_is_counted_and_named_and_of_many_only_the_first() -> None:
    many = tuple(f"c{number:02}" for number in range(12))
    assert removal._in_words(Foreign((), (), ())) == ""
    assert removal._in_words(Foreign(("a", "b"), ("data",), ())) == (
        ", with what is not Berth's: 2 containers (a, b); 1 volume (data)"
    )
    assert removal._in_words(Foreign(many, (), ())).endswith(
        "12 containers (c00, c01, c02, c03, c04, c05, c06, c07, c08, c09, …)"
    )
