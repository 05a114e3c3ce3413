"""Pages of long lists. A cursor names the last item of the page before, so what is added meanwhile moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.errors import invalid
from apps.rest import parameters

DEFAULT_LIMIT = 50
MOST = 200

LIMIT = parameters.whole("limit", 1, MOST, DEFAULT_LIMIT, "Items a page")
CURSOR = parameters.text("cursor", "From `next` of the page before")
PAGE = (LIMIT, CURSOR)


@cache
def page_of(one: type[serializers.BaseSerializer]) -> serializers.Serializer:
    """The schema of a page: the same one wherever it is answered."""
    return inline_serializer(
        one.__name__.removesuffix("Serializer") + "Page",
        {
            "items": one(many=True),
            "next": serializers.CharField(allow_null=True, help_text="Address of the next page, null on the last"),
        },
    )


def answer_page(
    request: Request,
    rows: QuerySet[Any],
    show: type[serializers.BaseSerializer],
    key: Sequence[str],
    *,
    newest_first: bool = False,
    context: dict[str, Any] | None = None,
) -> Response:
    """One page of `rows`, ordered by the fields of `key`, which together are unique."""
    limit = LIMIT.of(request.query_params)
    rows = rows.order_by(*(f"-{field}" if newest_first else field for field in key))
    if cursor := request.query_params.get("cursor"):
        rows = rows.filter(_after(key, read_cursor(request, cursor), newest_first))
    items = list(rows[: limit + 1])  # one more than is shown tells whether there is a next page
    more, items = len(items) > limit, items[:limit]
    data = show(items, many=True, context={"request": request, **(context or {})}).data
    return Response({"items": data, "next": _next(request, items[-1], key) if more else None})


def _after(key: Sequence[str], values: Sequence[Any], newest_first: bool) -> Q:
    """Rows behind `values` in the order of `key`: (a, b) > (x, y) is a > x, or a = x and b > y."""
    beyond = "lt" if newest_first else "gt"
    found, equal = Q(pk__in=()), Q()
    for field, value in zip(key, values, strict=True):
        found |= equal & Q(**{f"{field}__{beyond}": value})
        equal &= Q(**{field: value})
    return found


def _next(request: Request, last: Model, key: Sequence[str]) -> str:
    values = [getattr(last, field) for field in key]
    return next_page(request, [value if isinstance(value, int) else str(value) for value in values])


def next_page(request: Request, plain: Sequence[int | str]) -> str:
    """The address of the page that begins behind these values, which `read_cursor` finds there again."""
    query = request.query_params.copy()
    query["cursor"] = signing.dumps(list(plain), salt=_salt(request))
    return f"{request.path}?{query.urlencode()}"


def read_cursor(request: Request, cursor: str) -> list[Any]:
    try:
        values: list[Any] = signing.loads(cursor, salt=_salt(request))
    except signing.BadSignature:
        raise invalid("cursor", "invalid", _("This is no cursor of this list.")) from None
    return values


def _salt(request: Request) -> str:
    """Cursors are signed for their list, so that what comes back is what was handed out and needs no further check."""
    return f"berth.cursor:{request.path}"
