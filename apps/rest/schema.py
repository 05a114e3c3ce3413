"""The OpenAPI description: what every operation has in common, said once."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from apps.rest.idempotency import HEADER
from apps.rest.problems import MEDIA_TYPE
from apps.rest.serializers import Problem
from apps.rest.views import CHANGES, DRY_RUN, Resource
from scheduler.model import OperationStatus

_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="The same request with the same key is carried out once; kept for a day",
)

OPERATION_STATUSES = [status.value for status in OperationStatus]  # one name for them in all components


class Schema(AutoSchema):
    def get_override_parameters(self) -> list[OpenApiParameter]:
        if not isinstance(self.view, Resource):
            return []
        if self.method not in CHANGES:
            return [parameter.described for parameter in self.view.query]
        return [DRY_RUN.described, _KEY] if self.method == "POST" else [DRY_RUN.described]

    def get_summary(self) -> str:
        """What an operation does, in one line of a list: its description up to the first stop."""
        return re.split(r"[.:;](?:\s|$)", self.get_description(), maxsplit=1)[0]

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        bodies["default"] = self._get_response_for_code(Problem, "default", [MEDIA_TYPE], direction)
        bodies["default"]["description"] = "A problem (RFC 9457)"
        return bodies


def refuse_unknown_fields(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say of every request body that it takes no other fields."""
    for name, component in result.get("components", {}).get("schemas", {}).items():
        if name.endswith("Request") and component.get("type") == "object":
            component["additionalProperties"] = False
    return result
