"""Narrowing lists by query fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request


def filtered(request: Request, rows: QuerySet[Any], by: Mapping[str, str]) -> QuerySet[Any]:
    """The rows whose columns equal the query fields that were given; `by` names the column of each field."""
    query = request.query_params
    return rows.filter(**{column: query[name] for name, column in by.items() if name in query})
