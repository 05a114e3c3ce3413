import pytest

from scheduler.placement.labels import parse


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("disk == ssd", "ssd", True),
        ("disk == ssd", "hdd", False),
        ("disk == ssd", None, False),
        ("disk != ssd", "ssd", False),
        ("disk != ssd", None, True),
        ("zone in (a, b)", "b", True),
        ("zone in (a, b)", "c", False),
        ("zone in (a, b)", None, False),
        ("zone not in (a, b)", "b", False),
        ("zone not in (a,b)", "c", True),
        ("zone not in (a, b)", None, True),
        ("exists gpu", "", True),
        ("exists gpu", None, False),
        ("not exists gpu", None, True),
        ("not exists gpu", "x", False),
        ("cores > 4", "5", True),
        ("cores > 4", "4", False),
        ("cores > 4", "many", False),
        ("cores > 4", None, False),
        ("cores < 4", "-1", True),
        ("cores < 4", "10", False),
        ("  node  ==  n1 ", "n1", True),
    ],
)
def test_an_expression_holds_for_the_right_values(text, value, holds):
    assert parse(text).holds(value) is holds
    labels = {} if value is None else {parse(text).label: value}
    assert parse(text).matches(labels) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "disk",
        "disk = ssd",
        "disk ==",
        "disk == a b",
        "zone in ()",
        "zone in a",
        "cores > x",
        "exists",
        "a == b\nc",
        "é == b",
    ],
)
def test_what_is_no_expression_is_refused_with_its_text(text):
    with pytest.raises(ValueError, match=r"expression|value|number"):
        parse(text)


@pytest.mark.parametrize("text", ["disk == ssd", "zone not in (a, b)", "not exists gpu", "cores > 4"])
def test_an_expression_prints_as_it_is_written(text):
    assert str(parse(text)) == text
