"""Promoting and aborting a canary in the API."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications.canary_spec import MOST_STEPS
from apps.groups.models import Role
from apps.operations import canary
from apps.operations.api import OperationSerializer
from apps.operations.permissions import get_operation
from apps.rest.serializers import Body, NoBody, Whole
from apps.rest.views import Resource


class PromoteBody(Body):
    step = Whole(
        min_value=1,
        max_value=MOST_STEPS,
        required=False,
        allow_null=True,
        help_text="Of the canary, counted from 1; null: all of the traffic",
    )


class Promote(Resource):
    @extend_schema(operation_id="operations_promote", request=PromoteBody, responses=OperationSerializer)
    def post(self, request: Request, id: uuid.UUID) -> Response:
        """Go on with a release that is tried on a part of the traffic: to a later step, or to all of it.

        For developers. A step that it has reached already changes nothing.
        """
        operation = get_operation(self.user, id, Role.DEVELOPER)
        step = self.body(PromoteBody).get("step")
        return Response(OperationSerializer(canary.promote(self.user, operation, step)).data)


class Abort(Resource):
    @extend_schema(operation_id="operations_abort", request=NoBody, responses=OperationSerializer)
    def post(self, request: Request, id: uuid.UUID) -> Response:
        """Take its traffic away from a release that is tried, and want the one before again. For developers."""
        operation = get_operation(self.user, id, Role.DEVELOPER)
        self.body(NoBody)
        return Response(OperationSerializer(canary.abort(self.user, operation)).data)
