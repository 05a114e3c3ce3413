"""The API's description: complete, well-formed, and served without anything from elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from apps.accounts.models import User
from apps.applications.spec import as_spec, parse, with_port
from apps.applications.spec_schema import SPEC
from apps.rest import urls


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def test_it_is_valid_and_was_made_without_a_guess(schema: dict[str, Any]) -> None:
    validate_schema(schema)
    assert not GENERATOR_STATS


def test_it_has_every_address(schema: dict[str, Any]) -> None:
    named = {route.name for route in urls.urlpatterns if isinstance(route, URLPattern) and route.name}
    assert len(schema["paths"]) == len(named - {"schema", "docs"})


def test_every_operation_has_a_name_a_sentence_and_its_problems(schema: dict[str, Any]) -> None:
    operations = [(m, o) for path in schema["paths"].values() for m, o in path.items()]
    assert len({operation["operationId"] for _method, operation in operations}) == len(operations)
    for method, operation in operations:
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        names = {parameter["name"] for parameter in operation["parameters"]} if method != "get" else set()
        assert method == "get" or "dry_run" in names
        assert ("Idempotency-Key" in names) == (method == "post")


def test_every_operation_has_a_summary_that_fits_a_line(schema: dict[str, Any]) -> None:
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    summaries = {operation["operationId"]: operation["summary"] for operation in operations}
    assert [said for said in summaries.values() if not 3 < len(said) <= 110 or said[-1] in ".:;"] == []
    assert summaries["apps_create"] == "Deploy a new app from a spec"
    assert summaries["apps_get"] == "One app"


def test_the_specs_schema_has_the_fields_that_are_read() -> None:
    marks = {"header": {"name": "X-A", "value": "1"}, "cookie": {"name": "a", "value": "1"}}
    spec = with_port(parse({"name": "web", "image": "web", "update": {"canary": marks}}).spec, None)
    as_spec(spec, "sha256:" + "0" * 64)
    assert fields(SPEC) == {"name"} | shape(spec, "")


def fields(schema: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {f"{path}{name}"} | fields(inner, f"{path}{name}.")
    return found - {"routes.host", "routes.path"}


def shape(spec: dict[str, Any], path: str) -> set[str]:
    found = set()
    for name, value in spec.items():
        found |= {f"{path}{name}"} | (shape(value, f"{path}{name}.") if isinstance(value, dict) else set())
    return found


@pytest.mark.django_db
def test_it_is_served_as_yaml_and_json() -> None:
    assert Client().get("/api/v1/schema").content.startswith(b"openapi: 3")
    assert json.loads(Client().get("/api/v1/schema?format=json").content)["info"]["title"] == "Berth"


@pytest.mark.django_db
def test_the_documentation_needs_no_inline_script_or_style() -> None:
    client = Client()
    client.force_login(User.objects.create_user("someone"))
    response = client.get("/api/v1/docs")
    page = response.content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "unsafe" not in response["Content-Security-Policy"]
