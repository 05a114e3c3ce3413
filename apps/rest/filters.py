"""Narrowing lists by query fields."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from apps.checks import unreadable
from apps.errors import invalid


def filtered(request: Request, rows: QuerySet[Any], by: Mapping[str, str]) -> QuerySet[Any]:
    """The rows whose columns equal the query fields that were given; `by` names the column of each field."""
    for name, column in by.items():
        value = request.query_params.get(name)
        if value is None:
            continue
        if "\0" in value:
            raise invalid(name, "invalid_text", str(unreadable()))
        if column.endswith("_id"):
            try:
                value = uuid.UUID(value)
            except ValueError:
                raise invalid(name, "invalid", _("This is no id.")) from None
        rows = rows.filter(**{column: value})
    return rows
