"""A mistake has one code and one sentence, in whichever body of the API it is made."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.applications import services
from apps.certificates import services as certificates
from apps.groups.models import Group
from apps.operations.models import Operation
from apps.placement.models import PriorityClass
from scheduler.engine.fake import FakeEngine
from tests.certificates import make
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

Mistake = tuple[Any, str, str]  # a wrong value, the code, how the sentence begins


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and fields of every operation that takes a body, from the description."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    parts = schema["components"]["schemas"]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                body = resolved(operation["requestBody"]["content"]["application/json"]["schema"], parts)
                if body.get("properties"):
                    yield method.upper(), path, body


def resolved(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    while found := schema.get("$ref") or next((each["$ref"] for each in schema.get("allOf", ())), None):
        schema = parts[found.rpartition("/")[2]]
    inner = {name: resolved(each, parts) for name, each in schema.get("properties", {}).items()}
    return {**schema, "properties": inner} if inner else schema


def mistakes(schema: dict[str, Any]) -> Iterator[Mistake]:
    """What can be wrong with a value of this kind."""
    if "enum" in schema:
        yield "bogus", "invalid_choice", "This is one of "
    elif schema.get("type") == "integer":
        yield from ((value, "invalid_type", "This is a whole number.") for value in (1.5, "x", "3", True, [3]))
        yield from ((value, "out_of_range", "This is from ") for value in (10**30, -(10**30), 1e30))
    elif schema.get("type") == "boolean":
        yield from ((value, "invalid_type", "This is true or false.") for value in ("perhaps", "true", 1))
    elif {"type": "string"} in schema.get("oneOf", ()) or schema.get("example") in ("64MiB", "2s", 0.25):
        yield from ((value, "out_of_range", "This is from ") for value in (-1, 1e30, 1e99))
        yield "much", "invalid_quantity", ""
    elif schema.get("type") == "object":
        yield 7, "invalid_type", "This is an object."
    elif schema.get("type") == "array":
        yield 7, "invalid_list", "This is a list"
    elif schema.get("type") == "string" and not {"pattern", "format"} & set(schema):
        yield from ((value, "invalid_type", "This is a string.") for value in (True, [7], {}))


def wrongs(body: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mistake]]:
    for name, field in body.get("properties", {}).items():
        at = (*path, name)
        yield from ((at, mistake) for mistake in mistakes(field))
        if name in body.get("required", ()):
            yield at, (None, "required", "This is required.")
        yield from wrongs(field, at)


def nested(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


@pytest.fixture
def known(people: SimpleNamespace, group: Group, engine: FakeEngine) -> dict[str, Any]:
    services.create_app(people.developer, group, {"name": "web", "image": IMAGE})
    made = make("shop.test")
    certificates.upload(people.developer, group, "tls", made.certificate, made.key)
    return {
        "group": "shop",
        "app": "web",
        "id": str(Operation.objects.get().pk),
        "username": "owner",
        "node": "n1",
        "certificate": "tls",
        "priority": PriorityClass.objects.create(name="high", value=100).name,
    }


@pytest.mark.parametrize(("method", "path", "body"), [pytest.param(*each, id=" ".join(each[:2])) for each in bodies()])
def test_a_mistake_is_named_alike_in_every_body(
    people: SimpleNamespace, known: dict[str, Any], method: str, path: str, body: dict[str, Any]
) -> None:
    api, tried = Api(people.admin), 0
    for at, (value, code, begins) in wrongs(body):
        refused = problem(api(method, path.format(**known).removeprefix("/api/v1"), nested(at, value)))
        errors = {error["field"]: (error["code"], error["message"]) for error in refused["errors"]}
        found = errors.get(".".join(at), ("", ""))
        assert (found[0], found[1][: len(begins)]) == (code, begins), (at, value, refused["errors"])
        tried += 1
    assert tried
