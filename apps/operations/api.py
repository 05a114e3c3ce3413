"""Operations in the API, and waiting for one to end."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.checks import out_of_range
from apps.groups.models import Role
from apps.operations import services
from apps.operations.models import Operation
from apps.operations.permissions import get_operation, visible_operations
from apps.operations.report_api import ReportSerializer
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.filters import filtered
from apps.rest.parameters import Parameter, choice, text
from apps.rest.serializers import Moment, NoBody, Reason, ShortageSerializer
from apps.rest.views import Resource
from scheduler.model import OperationKind, OperationStatus

LONGEST = 60  # seconds that a client may wait
FILTERS = {"group": "group_name", "app": "app_name", "status": "status", "kind": "kind"}


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value) or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST:
        raise out_of_range(0, LONGEST)
    return seconds


WAIT = Parameter(
    "wait",
    _seconds,
    {"type": "number", "minimum": 0, "maximum": LONGEST, "default": 0},
    "Seconds to wait for its end; the answer comes as soon as it ended, or when they are over",
    0,
)


class StepSerializer(serializers.Serializer):
    """One step; `done` of `of` instances have taken it."""

    name = serializers.CharField()
    status = serializers.CharField(help_text="waiting, running, done, failed, unfinished or skipped")
    done = serializers.IntegerField()
    of = serializers.IntegerField()
    started_at = Moment(allow_null=True)
    ended_at = Moment(allow_null=True)


class WaitsForSerializer(Reason):
    """What an operation that is under way waits for."""

    shortages = ShortageSerializer(many=True, default=(), help_text="Why no node fits, if it waits for room")


class OperationErrorSerializer(serializers.Serializer):
    """Why it failed: the step, the reason, and the evidence of the instance that shows it."""

    step = serializers.CharField()
    reason = Reason(allow_null=True)
    instance = serializers.CharField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    memory_limit = serializers.CharField(
        default=None, allow_null=True, help_text="That it was killed at, if it ran out of memory"
    )
    probes = serializers.DictField(help_text="What each edge saw")
    logs = serializers.CharField(help_text="The last lines that it wrote")


class OperationSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField([kind.value for kind in OperationKind])
    status = serializers.ChoiceField([status.value for status in OperationStatus])
    group = serializers.CharField(source="group_name")
    app = serializers.CharField(source="app_name")
    release = serializers.IntegerField(allow_null=True, help_text="The release that it made")
    steps = StepSerializer(many=True)
    waits_for = WaitsForSerializer(allow_null=True)
    error = OperationErrorSerializer(allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ReportedOperationSerializer(OperationSerializer):
    """One operation with its report."""

    report = ReportSerializer(source="*")


class Operations(Resource):
    query = (*PAGE, text("group"), text("app"), choice("status", OperationStatus), choice("kind", OperationKind))

    @extend_schema(
        operation_id="operations_list",
        responses=page_of(OperationSerializer),
    )
    def get(self, request: Request) -> Response:
        """The operations in your groups, newest first."""
        rows = filtered(request, visible_operations(self.user).select_related("created_by"), FILTERS)
        return answer_page(request, rows, OperationSerializer, ["created_at", "id"], newest_first=True)


class OperationDetail(Resource):
    query = (WAIT,)  # who waits is `apps.operations.waiting`

    @extend_schema(
        operation_id="operations_get",
        responses=ReportedOperationSerializer,
    )
    def get(self, request: Request, id: uuid.UUID) -> Response:
        """One operation with its steps, its outcome, and its report: traffic meanwhile, instances that came or went."""
        return Response(ReportedOperationSerializer(get_operation(self.user, id)).data)


class OperationCancel(Resource):
    @extend_schema(operation_id="operations_cancel", request=NoBody, responses=OperationSerializer)
    def post(self, request: Request, id: uuid.UUID) -> Response:
        """End an operation and want again what served before. For developers."""
        operation = get_operation(self.user, id, Role.DEVELOPER)
        self.body(NoBody)
        return Response(OperationSerializer(services.cancel(self.user, operation)).data)


def accepted(operation: Operation) -> Response:
    """The answer to a change: 202, the operation, and where to ask for it."""
    data: dict[str, Any] = OperationSerializer(operation).data
    return Response(data, 202, headers={"Location": f"/api/v1/operations/{operation.pk}"})
