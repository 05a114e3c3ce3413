"""The panel speaks 简体中文 throughout."""

from __future__ import annotations

import re
import string
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern
from django.utils import translation

from apps.events.messages import MESSAGES
from apps.panel import words
from apps.reasons import said as spoken
from scheduler.lifecycle import State
from scheduler.model import OperationKind, OperationStatus, PlacementRules, Process, Resources
from scheduler.placement import Affinity, AtMost, Bond, Constraints, DeviceRequest, Node, Request, Skew, Taint, place
from scheduler.reasons import FIGURES, TEMPLATES
from tests.web.panel import address, arguments, routes
from tests.web.seed import explanation, seed

CATALOGUE = Path(settings.BASE_DIR) / "locale/zh_Hans/LC_MESSAGES/django.po"
ENTRY = re.compile(
    r'((?:^#.*\n)*)(?:^msgctxt .*\n)?^msgid "(.*)"\n(?:^msgid_plural ".*"\n)?^msgstr(?:\[0\])? "(.*)"$', re.MULTILINE
)
FIGURE = re.compile(r"%\((\w+)\)s")


def entries() -> list[tuple[str, str, str]]:
    """Flags, message and translation of each entry but the header."""
    return [found for found in ENTRY.findall(CATALOGUE.read_text()) if found[1]]


def test_nothing_is_untranslated_or_guessed() -> None:
    assert len(entries()) > 500
    for flags, message, said in entries():
        assert said, message
        assert "fuzzy" not in flags, message


def test_translations_use_the_figures_of_their_messages() -> None:
    for _flags, message, said in entries():
        assert set(FIGURE.findall(said)) == set(FIGURE.findall(message)), message


def test_the_compiled_catalogue_is_that_of_the_text(tmp_path: Path) -> None:
    fresh = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "-o", fresh, CATALOGUE], check=True, stderr=subprocess.DEVNULL)
    assert fresh.read_bytes() == CATALOGUE.with_suffix(".mo").read_bytes(), "compile it: msgfmt"


@pytest.mark.parametrize("code", TEMPLATES)
def test_every_reason_has_a_chinese_sentence(code: str) -> None:
    with translation.override("zh-hans"):
        said = translation.gettext(TEMPLATES[code])
    assert set(FIGURE.findall(said)) == FIGURES[code]
    if set(FIGURE.sub("", TEMPLATES[code])) & set(string.ascii_letters):  # it has words of its own
        assert said != TEMPLATES[code]


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_event_has_a_chinese_sentence(kind: str) -> None:
    with translation.override("zh-hans"):
        assert translation.gettext(MESSAGES[kind]) != MESSAGES[kind]


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (State, words.STATES),
        (Process, words.PROCESSES),
        (OperationKind, words.OPERATION_KINDS),
        (OperationKind, words.OPERATION_NOUNS),
        (OperationStatus, words.OPERATION_STATUSES),
    ],
)
def test_every_value_of_the_loop_has_a_word(kinds: type, said: dict[str, object]) -> None:
    assert set(kinds) == set(said)
    with translation.override("zh-hans"):
        assert all(not set(str(word)) & set(string.ascii_letters) for word in said.values())


@pytest.mark.django_db
def test_the_placements_explanation_is_chinese_but_for_names_and_units() -> None:
    why = explanation(seed().nodes).as_dict()
    said = [why["summary"], *why["remedies"]]
    said += [verdict["detail"] for node in why["nodes"] for verdict in node["verdicts"] if not verdict["fits"]]
    assert len(said) > 6
    with translation.override("zh-hans"):
        for sentence in map(spoken, said):
            left = re.sub(r"GiB|MiB|CPU|disk == ssd|berth-\d|\bdisk\b", "", sentence)
            assert not set(left) & set(string.ascii_letters), sentence


# Each asks for something that these nodes, of which one has an instance of group/db, do not have.
ASKED = [
    PlacementRules(require=("disk == ssd", "cores > 4")),
    Constraints(nodes=frozenset({"n9"})),
    Constraints(at_most=(AtMost("node", 1), AtMost("zone", 1), AtMost("rack", 2))),
    Constraints(skews=(Skew("zone", 1), Skew("rack", 1))),
    Constraints(affinities=(Affinity(Bond.WITH, "group/db"), Affinity(Bond.WITH, "group/x", "zone"))),
    Constraints(affinities=(Affinity(Bond.APART, "group/db"), Affinity(Bond.APART, "group/db", "zone"))),
    Constraints(affinities=(Affinity(Bond.WITH, "group/x", "rack"),)),
    Constraints(ports=frozenset({80}), volumes=frozenset({"n7"})),
    Constraints(devices=(DeviceRequest("gpu", 2, models=frozenset({"a", "b"})),)),
    Constraints(devices=(DeviceRequest("gpu", 1, share=500),)),
]


@pytest.mark.parametrize("asked", ASKED, ids=repr)
@pytest.mark.parametrize("taints", [(), (Taint("gpu", "yes"), Taint("old"))], ids=["untainted", "tainted"])
def test_every_constraint_is_explained_in_chinese(asked: Any, taints: tuple[Taint, ...]) -> None:
    room = Resources(cpu=4000, memory=4 << 30, disk=4 << 30, instances=9)
    nodes = [
        Node(f"n{n}", {"zone": zone}, "ready", room, Resources(), apps={"group/web": 1, app: 1}, taints=taints)
        for n, (zone, app) in enumerate((("a", "group/db"), ("b", "group/y"), ("b", "group/db")))
    ]
    rules, constraints = (asked, Constraints()) if isinstance(asked, PlacementRules) else (PlacementRules(), asked)
    need = Resources(cpu=250, memory=1 << 30, instances=1)
    found = place(nodes, Request("group/web", "group", need, 1, rules, constraints=constraints)).explanation
    said = [found.summary(), *found.remedies, *(shortage.detail for shortage in found.shortages)]
    said += [verdict.detail for node in found.nodes for verdict in node.verdicts]
    names = re.compile(r"[GM]iB|CPU|group/\w+|\bn\d\b|\b(?:B|disk|ssd|cores|zone|rack|gpu|yes|old|node|new|[ab])\b")
    with translation.override("zh-hans"):
        for sentence in said:
            shown = spoken(sentence)
            assert not set(names.sub("", shown)) & set(string.ascii_letters), (str(sentence), shown)


def test_what_a_node_has_to_fetch_is_said_in_chinese() -> None:
    room = Resources(cpu=4000, memory=4 << 30, disk=4 << 30, instances=9)
    nodes = [Node(name, {}, "ready", room, Resources(), images=has) for name, has in (("a", {"i": 9 << 20}), ("b", {}))]
    said = []
    for some in (nodes, nodes[1:], [replace(nodes[0], images={"i": 0}), nodes[1]]):
        found = place(some, Request("group/web", "group", Resources(instances=1), 1, PlacementRules(), "i")).explanation
        said += [score.detail for node in found.nodes for score in node.scores if score.detail]
    assert len(set(said)) == 4
    with translation.override("zh-hans"):
        for sentence in said:
            assert not set(spoken(sentence).replace("MiB", "")) & set(string.ascii_letters), str(sentence)


# What stays as it is in any language: names, units, terms, and what users wrote.
KEPT = re.compile(
    r"(?:unix|tcp)://[\w./:]*|\bSIG[A-Z]+\d?\b|Berth|English|CPU|GiB|MiB|TCP|HTTP|API|GET|Docker|KiB|CI|UTC|SSH|DNS|HTTPS|ACME|PEM|SHA"
    r"|X-Source: edge|Strict-Transport-Security: max-age=\d+"
    r"|[\w.-]+@example\.com|[\w./:-]*example\.(?:com|test)[\w./:-]*|\b(?:L7STS|L7OK|L4TOUT)[/\w ]*"
)


PAGES = ("overview", "groups", "group", "members", "quota", "certificates", "certificate", "new-certificate",
         "app", "releases", "new-app", "app-settings", "log", "app-placement",
         "app-routes", "route", "new-route", "app-rules",
         "nodes", "node", "node-settings", "placement", "group-placement", "priority", "enrol",
         "events", "operation", "account", "password", "users")  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_no_english_of_their_own(name: str) -> None:
    berth = seed()
    client = Client(headers={"accept-language": "zh-CN"})
    client.force_login(berth.admin)
    route: URLPattern = next(route for route in routes() if route.name == name)
    text = client.get(address(route, arguments(berth))).text
    text = re.sub(r"<(script|style|svg|pre|title)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r'<[^>]+class="[^"]*\bmono\b[^"]*"[^>]*>.*?</\w+>', "", text, flags=re.DOTALL)
    text = KEPT.sub("", re.sub(r"<[^>]+>", "\n", text))
    users = (
        r"admin|lin|maya|noor|otto|shop|data|web|api|search|images|worker|warehouse|business|berth-\d|edge|ci-deploy"
    )
    terms = r"css|https?|node|soft|zone|disk|ssd|== |env|digest|ms|max_surge|slot|[abc]\b"
    left = re.sub(rf"\b(?:{users}|{terms})\b", "", text)
    assert re.findall(r"[A-Za-z]{3,}[A-Za-z ]*", left) == []
