"""Deploying, changing and looking at apps in the panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from apps.accounts.models import User
from apps.applications import passwords, secrets
from apps.applications.forms import FIELDS, SpecForm, defaults
from apps.applications.models import App, Instance, Release
from apps.operations.models import Operation
from scheduler import queries
from scheduler.engine.base import ResolvedImage
from scheduler.model import OperationStatus
from tests.web.panel import sent_by
from tests.web.seed import PASSWORD, SECRET, Seed

pytestmark = pytest.mark.django_db

DIGEST = "registry/web@sha256:" + "a" * 64
# as people write it, and as the spec has it
PLACEMENT = {
    "max_skew": "zone 1",
    "at_most": "node 2\r\nzone 5",
    "affinity": "db\r\ncache zone",
    "anti_affinity": "batch",
    "nodes": "n1\r\nn2",
    "tolerations": "gpu\r\nteam=shop\r\nspot=",
    "prefer": 'disk == ssd\r\n{"weight": 5, "affinity": [{"app": "db", "label": "zone"}]}',
}
PLACED = {
    "max_skew": [{"label": "zone", "most": 1}],
    "at_most": [{"label": "node", "most": 2}, {"label": "zone", "most": 5}],
    "affinity": [{"app": "db", "label": "node"}, {"app": "cache", "label": "zone"}],
    "anti_affinity": [{"app": "batch", "label": "node"}],
    "nodes": ["n1", "n2"],
    "tolerations": [{"key": "gpu", "value": None}, {"key": "team", "value": "shop"}, {"key": "spot", "value": ""}],
    "prefer": ["disk == ssd", {"weight": 5, "affinity": [{"app": "db", "label": "zone"}]}],
}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(reference: str) -> ResolvedImage:
        if "unknown" in reference:
            raise queries.ImageRefused(f"no such image: {reference}")
        return ResolvedImage(DIGEST, None, 9000)

    monkeypatch.setattr(queries, "resolve_image", resolve)


@pytest.fixture
def maya(berth: Seed) -> Client:
    client = Client()
    client.force_login(berth.developer)
    return client


def test_an_app_is_deployed_from_the_form(maya: Client, berth: Seed) -> None:
    url = reverse("new-app", args=["shop"])
    form = sent_by(maya.get(url).text)
    form |= {
        "name": "blog",
        "image": "registry/blog:2",
        "replicas": "2",
        "cpu": "0.5",
        "memory": "128MiB",
        "command": "serve --title 'My blog'",
        "route_first": ["blog.example.test", ""],
        "route_second": ["", ""],
        "env_first": ["TOKEN", "PEM", ""],
        "env_second": ["abc", "a\r\nb", ""],
        "rate": "20",
        "response_set": "X-Frame-Options: DENY",
        "user_first": ["alice"],
        "user_second": ["correct horse"],
        "require": "disk == ssd\r\nzone in (a, b)",
        **PLACEMENT,
    }
    answer = maya.post(url, form)
    assert answer.status_code == 302, answer.text
    assert answer["Location"] == reverse("app", args=["shop", "blog"])
    app = App.objects.get(group=berth.shop, name="blog")
    spec = app.release.spec
    assert (spec["image"], spec["replicas"], spec["port"]) == ("registry/blog:2", 2, 9000)
    assert spec["resources"] == {"cpu": 0.5, "memory": "128MiB", "disk": "0B"}
    assert spec["command"] == ["serve", "--title", "My blog"]
    assert spec["placement"]["require"] == ["disk == ssd", "zone in (a, b)"]
    assert {name: spec["placement"][name] for name in PLACED} == PLACED
    shown = sent_by(maya.get(reverse("app-settings", args=["shop", "blog"])).text)
    assert {name: shown[name][0].replace("\n", "\r\n") for name in PLACEMENT} == PLACEMENT
    assert spec["health"]["path"] == "/"
    assert (spec["http"]["rate"], spec["http"]["response_headers"]["set"]) == (20, {"X-Frame-Options": "DENY"})
    assert passwords.matches("correct horse", spec["http"]["users"]["alice"])
    assert [(route.host, route.path) for route in app.routes.all()] == [("blog.example.test", "/")]
    assert secrets.decrypt(app.release.env) == {"TOKEN": "abc", "PEM": "a\nb"}
    assert app.operations.get().created_by == berth.developer


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"max_skew": "zone"}, "required"),
        ({"max_skew": "zone x"}, "whole number"),
        ({"at_most": "node 0"}, "from 1 to"),
        ({"affinity": "D B"}, "lower-case"),
        ({"anti_affinity": "db a b"}, "letters, digits"),
        ({"tolerations": "a b"}, "letters, digits"),
        ({"nodes": "n1\nN2"}, "lower-case"),
        ({"prefer": "{"}, "no expression"),
        ({"prefer": '{"weight": 0}'}, "from 1 to"),
    ],
)
def test_a_wrong_constraint_is_said_at_its_field(maya: Client, berth: Seed, typed: dict[str, str], said: str) -> None:
    url = reverse("new-app", args=["shop"])
    answer = maya.post(url, sent_by(maya.get(url).text) | {"name": "blog", "image": "registry/blog:2"} | typed)
    assert answer.status_code == 422
    [(name, text)] = typed.items()
    assert said in answer.text.partition(f'id="id_{name}_error"')[2].partition("</div></div>")[0]
    assert all(escape(line) in answer.text for line in text.split("\n"))


def test_every_error_stands_at_its_field_and_what_was_typed_stays(maya: Client, berth: Seed) -> None:
    url = reverse("new-app", args=["shop"])
    form = sent_by(maya.get(url).text)
    form |= {
        "name": "Blog",
        "image": "registry/blog:2",
        "port": "65536",
        "replicas": "many",
        "cpu": "lots",
        "interval": "soon",
        "require": "disk is fast",
        "command": "serve 'oops",
        "route_first": ["bad host"],
        "route_second": ["/x"],
        "env_first": ["A=B"],
        "env_second": ["typed"],
    }
    assert "quotation mark" in maya.post(url, form).text
    answer = maya.post(url, form | {"command": ""})
    assert answer.status_code == 422
    for name in ("name", "port", "replicas", "cpu", "interval", "require"):
        assert f'id="id_{name}_error"' in answer.text, name
    assert answer.text.count('class="row-error"') == 2
    for typed in ("Blog", "65536", "many", "lots", "soon", "disk is fast", "bad host", "A=B", "typed"):
        assert typed in answer.text
    assert '<details class="card" open>' in answer.text.replace("\n", "")
    assert not App.objects.filter(name__iexact="blog").exists()


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        ({"image": "unknown:1"}, "image", "no such image"),
        ({"image": ""}, "image", "required"),
        ({"cpu": "9"}, "cpu", "quota"),
        ({"replicas": "21", "cpu": "0.01", "memory": "6MiB"}, "replicas", "quota"),
    ],
)
def test_what_a_service_refuses_is_said_at_the_field(
    maya: Client, berth: Seed, changed: dict[str, str], name: str, said: str
) -> None:
    url = reverse("new-app", args=["shop"])
    answer = maya.post(url, sent_by(maya.get(url).text) | {"name": "blog", "image": "registry/blog:2"} | changed)
    assert answer.status_code == 422
    error = answer.text.partition(f'id="id_{name}_error"')[2].partition("</div></div>")[0]
    assert said in error


def test_a_taken_route_is_said_at_its_row(maya: Client, berth: Seed) -> None:
    url = reverse("new-app", args=["shop"])
    form = sent_by(maya.get(url).text) | {"name": "blog", "image": "registry/blog:2"}
    form |= {"route_first": ["shop.example.test"], "route_second": ["/"]}
    answer = maya.post(url, form)
    assert answer.status_code == 422
    assert "Another app has this route." in answer.text.partition('class="row-error"')[2]


def test_settings_sent_as_they_were_shown_change_nothing(maya: Client, berth: Seed) -> None:
    url = reverse("app-settings", args=["shop", "web"])
    assert maya.post(url, sent_by(maya.get(url).text)).status_code == 302
    berth.web.refresh_from_db()
    assert berth.web.release.number == 3


def test_the_form_reads_every_spec_back_as_it_showed_it(berth: Seed) -> None:
    from django.http import QueryDict

    for app in App.objects.select_related("release"):
        shown = SpecForm(spec=app.release.spec)
        data = QueryDict(mutable=True)
        for name in FIELDS.values():
            data[name] = shown[name].value()
        data.setlist("env_first", [row.first for row in shown.env])
        data.setlist("env_second", ["" for _row in shown.env])
        data.setlist("env_kept", [row.first for row in shown.env])
        read = SpecForm(data, spec=app.release.spec)
        assert read.is_valid()
        assert read.changes() == {}


def test_a_change_makes_a_release_and_leaves_the_rest_alone(maya: Client, berth: Seed) -> None:
    url = reverse("app-settings", args=["shop", "web"])
    form = sent_by(maya.get(url).text)
    assert form["env_first"] == ["DATABASE_URL", "LOG_LEVEL"]
    assert form["env_second"] == ["", ""]
    form |= {"memory": "256MiB", "env_first": ["DATABASE_URL", "NEW"], "env_second": ["", "fresh"]}
    assert maya.post(url, form).status_code == 302
    berth.web.refresh_from_db()
    release = berth.web.release
    assert release.number == 4
    assert release.spec["resources"]["memory"] == "256MiB"
    assert secrets.decrypt(release.env) == {"DATABASE_URL": SECRET, "NEW": "fresh"}


def test_a_change_of_someone_else_meanwhile_survives(maya: Client, berth: Seed) -> None:
    url = reverse("app-settings", args=["shop", "web"])
    form = sent_by(maya.get(url).text)
    maya.post(reverse("scale", args=["shop", "web"]), {"replicas": "5"})
    assert maya.post(url, form | {"memory": "256MiB"}).status_code == 302
    berth.web.refresh_from_db()
    spec = berth.web.release.spec
    assert (spec["replicas"], spec["resources"]["memory"]) == (5, "256MiB")


@pytest.mark.parametrize(
    ("action", "app", "data", "kind"),
    [
        ("stop", "web", {}, "stop"),
        ("restart", "web", {}, "restart"),
        ("scale", "web", {"replicas": "4"}, "scale"),
        ("rollback", "web", {"number": "1"}, "rollback"),
        ("start", "worker", {}, "start"),
    ],
)
def test_a_button_begins_an_operation(
    maya: Client, berth: Seed, action: str, app: str, data: dict[str, str], kind: str
) -> None:
    answer = maya.post(reverse(action, args=["shop", app]), data)
    assert answer["Location"] == reverse("app", args=["shop", app])
    operation = Operation.objects.filter(app__name=app).first()
    assert operation.kind == kind
    assert "Waiting for a worker to begin." in maya.get(answer["Location"]).text


@pytest.mark.parametrize(
    ("action", "app", "data", "said"),
    [
        ("restart", "worker", {}, "The app is stopped"),
        ("scale", "web", {"replicas": "0"}, "replicas"),
        ("scale", "web", {"replicas": "x"}, "replicas"),
        ("scale", "web", {}, "required"),
        ("rollback", "web", {"number": "77"}, "no such release"),
        ("rollback", "web", {"number": "-1"}, "no release"),
        ("delete", "web", {"name": "wbe"}, "type its name"),
    ],
)
def test_a_refused_button_says_why_and_changes_nothing(
    maya: Client, berth: Seed, action: str, app: str, data: dict[str, str], said: str
) -> None:
    before = Operation.objects.count()
    answer = maya.post(reverse(action, args=["shop", app]), data, follow=True)
    assert said in answer.text
    assert "tone-bad" in answer.text
    assert Operation.objects.count() == before


def test_deleting_takes_the_typed_name(maya: Client, berth: Seed) -> None:
    answer = maya.post(reverse("delete", args=["shop", "web"]), {"name": "web"})
    assert answer["Location"] == reverse("group", args=["shop"])
    berth.web.refresh_from_db()
    assert berth.web.deleting


def test_a_failed_operation_shows_its_step_verdict_and_last_lines(maya: Client, berth: Seed) -> None:
    for url in (reverse("app", args=["shop", "search"]), reverse("operation", args=[berth.search.operations.get().pk])):
        text = maya.get(url).text
        assert "Why it failed" in text
        assert "slot 0 failed 3 times: edge: L7STS/500" in text
        assert "index not found: /data/index" in text


def test_a_pending_app_says_what_each_node_lacks_and_what_would_help(maya: Client, berth: Seed) -> None:
    text = maya.get(reverse("app", args=["data", "warehouse"])).text
    assert "0 of 4 nodes fit" in text
    assert "memory: needs 48 GiB, 12 GiB free of 31 GiB" in text
    assert "needs disk == ssd, it has no label disk" in text
    assert "1 more node with" in text


def test_releases_say_what_changed_and_never_a_value(maya: Client, berth: Seed) -> None:
    text = maya.get(reverse("releases", args=["shop", "web"])).text
    assert "resources.memory" in text
    assert '<del class="mono">64MiB</del> → <ins class="mono">384MiB</ins>' in text
    assert "env.LOG_LEVEL" in text
    assert "warning" not in text


def test_an_operation_is_cancelled_from_the_panel(maya: Client, berth: Seed) -> None:
    operation = berth.api.operations.get()
    maya.post(reverse("cancel-operation", args=[operation.pk]))
    operation.refresh_from_db()
    assert operation.status == OperationStatus.CANCELLED


def tried(berth: Seed) -> Operation:
    """The app tries a release: how far it is, as the loop records it."""
    app, operation = berth.api, berth.api.operations.get()
    update = {**app.release.spec["update"], "strategy": "canary"}
    type(app.release).objects.filter(pk=app.release_id).update(spec={**app.release.spec, "update": update})
    App.objects.filter(pk=app.pk).update(
        canary_release=app.release.number, canary_weight=5, canary_since=app.created_at, last_good=app.release
    )
    return operation


def test_a_canary_shows_how_far_it_is_and_is_promoted_or_aborted(maya: Client, berth: Seed) -> None:
    operation = tried(berth)
    page = reverse("app", args=["shop", "api"])
    text = maya.get(page).text
    assert "has 5 % of the traffic" in text
    assert "Step 1 of 2" in text
    assert "On to 25 %" in text
    assert f'href="{page}#canary">Promote or abort' in maya.get(reverse("operation", args=[operation.pk])).text
    maya.post(reverse("promote-canary", args=[operation.pk]), {"step": "2"})
    assert App.objects.get(pk=berth.api.pk).promoted_step == 1
    maya.post(reverse("promote-canary", args=[operation.pk]))
    assert App.objects.get(pk=berth.api.pk).promoted_step == 2
    answer = maya.post(reverse("abort-canary", args=[operation.pk]), follow=True)
    assert "aborted" in answer.text
    operation.refresh_from_db()
    assert operation.status == OperationStatus.ROLLED_BACK
    assert "has 5 %" not in maya.get(page).text


def test_instances_that_do_not_share_the_traffic_say_so(maya: Client, berth: Seed) -> None:
    app = berth.web
    old, *others = app.instances.filter(gone_at=None).exclude(state="draining")
    App.objects.filter(pk=app.pk).update(active=old.template)
    app.instances.filter(pk=others[0].pk).update(template="another")
    app.release.spec["update"]["strategy"] = "blue_green"
    Release.objects.filter(pk=app.release.pk).update(spec=app.release.spec)
    page = maya.get(reverse("app", args=[app.group.name, app.name])).text
    assert page.count("stands by: no traffic") == 1
    app.release.spec["update"]["strategy"] = "rolling"
    Release.objects.filter(pk=app.release.pk).update(spec=app.release.spec)
    assert "stands by" not in maya.get(reverse("app", args=[app.group.name, app.name])).text


def test_an_app_in_maintenance_says_so_on_each_of_its_pages(maya: Client, berth: Seed) -> None:
    app = berth.web
    pages = [reverse(name, args=[app.group.name, app.name]) for name in ("app", "releases", "app-routes")]
    assert not any("In maintenance" in maya.get(page).text for page in pages)
    app.release.spec["http"]["maintenance"] = True
    Release.objects.filter(pk=app.release.pk).update(spec=app.release.spec)
    assert all("In maintenance" in maya.get(page).text for page in pages)


def test_a_canary_is_asked_for_in_the_form_in_few_words(maya: Client, berth: Seed) -> None:
    sent = {"image": "a", "canary_steps": "5 10m\r\n25", "canary_header": "X-Canary=yes", "canary_errors": "2.5"}
    form = SpecForm(QueryDict("&".join(f"{k}={quote(v)}" for k, v in sent.items())), spec=defaults())
    assert form.is_valid()
    update = form.as_spec()["update"]
    assert update["canary"]["steps"] == [{"weight": 5, "duration": "10m"}, {"weight": 25, "duration": None}]
    assert update["canary"]["header"] == {"name": "X-Canary", "value": "yes"}
    assert (update["canary"]["errors"], update["canary"]["cookie"]) == (2.5, None)


def test_routes_lead_through_the_edge(maya: Client, berth: Seed) -> None:
    assert 'href="http://shop.example.test:8080/"' in maya.get(reverse("app", args=["shop", "web"])).text


def test_logging_in_leads_to_the_page_that_was_asked_for(berth: Seed) -> None:
    client = Client()
    asked = reverse("app", args=["shop", "web"])
    login = client.get(asked)["Location"]
    answer = client.post(login, {"username": "maya", "password": PASSWORD, "next": asked})
    assert answer["Location"] == asked
    assert client.post(reverse("logout"))["Location"] == reverse("login")
    assert "did not match" not in client.get(reverse("login")).text
    wrong = client.post(reverse("login"), {"username": "maya", "password": "wrong"})
    assert "correct username and password" in wrong.text


def shown_to(user: User, url: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(url).text


def test_a_route_is_shown_with_the_edges_port(berth: Seed, settings: Any) -> None:
    for port, shown in ((8080, "shop.example.test:8080/"), (80, "shop.example.test/")):
        settings.BERTH = replace(settings.BERTH, http_port=port)
        for url in (reverse("app", args=["shop", "web"]), reverse("group", args=["shop"])):
            assert f">{shown}<" in shown_to(berth.viewer, url)


def test_logs_are_shown_without_what_they_tell_terminals(berth: Seed) -> None:
    Instance.objects.filter(app=berth.search, failed=True).update(log_tail="\x1b[31mERROR\x1b[0m <b>broken</b>")
    text = shown_to(berth.viewer, reverse("app", args=["shop", "search"]))
    assert "ERROR &lt;b&gt;broken&lt;/b&gt;" in text
    assert "\x1b" not in text
