"""Drains in the API: emptying a node, and taking it back. For admins."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.nodes import services
from apps.nodes.drains import progress
from apps.nodes.permissions import get_node
from apps.rest.serializers import English, NoBody
from apps.rest.views import AdminResource


class HinderedSerializer(serializers.Serializer):
    app = serializers.CharField(help_text="group/app")
    instances = serializers.IntegerField()
    reason = English(help_text="Why no other node takes them; they serve on where they are")


class DrainSerializer(serializers.Serializer):
    draining = serializers.BooleanField()
    by = serializers.CharField(help_text="Who asked for it")
    since = serializers.DateTimeField(allow_null=True)
    drained_at = serializers.DateTimeField(allow_null=True, help_text="When the last instance was gone")
    left = serializers.IntegerField(help_text="Instances that are not gone")
    moving = serializers.IntegerField(help_text="Of these, have begun to move")
    hindered = HinderedSerializer(many=True, help_text="Apps whose instances have nowhere to go; at most 20 of them")


class Drain(AdminResource):
    @extend_schema(operation_id="nodes_drain_get", responses=DrainSerializer)
    def get(self, request: Request, node: str) -> Response:
        """How far the drain of a node has come, and what stands in its way."""
        return Response(DrainSerializer(progress(get_node(self.user, node))).data)

    @extend_schema(operation_id="nodes_drain", request=NoBody, responses={202: DrainSerializer})
    def post(self, request: Request, node: str) -> Response:
        """Empty a node: it takes nothing new, and its instances move to others a few at a time. Again is no error."""
        self.body(NoBody)
        found = services.drain(self.user, get_node(self.user, node))
        return Response(DrainSerializer(progress(found)).data, 202, headers={"Location": request.path})

    @extend_schema(operation_id="nodes_drain_end", responses={204: None})
    def delete(self, request: Request, node: str) -> Response:
        """Take a node back: what has not begun to leave stays. Doing it again is no error."""
        services.end_drain(self.user, get_node(self.user, node))
        return Response(status=204)
