"""Lost nodes in the API. For admins."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.nodes.lost import abandon
from apps.nodes.permissions import get_node
from apps.rest.serializers import NoBody
from apps.rest.views import AdminResource


class LeftBehindSerializer(serializers.Serializer):
    app = serializers.CharField(help_text="group/app")
    instance = serializers.CharField(help_text="slot-generation")
    container = serializers.CharField(help_text="The engine's id; empty: it is not known to have been made")


class AbandonedSerializer(serializers.Serializer):
    left_behind = LeftBehindSerializer(
        many=True, help_text="Containers that may still be on the engine, where Berth does not stop them"
    )


class Abandon(AdminResource):
    @extend_schema(operation_id="nodes_abandon", request=NoBody, responses=AbandonedSerializer)
    def post(self, request: Request, node: str) -> Response:
        """Forget a node whose engine is gone for good, with the instances on it that were given up."""
        self.body(NoBody)
        left = abandon(self.user, get_node(self.user, node))
        return Response(AbandonedSerializer({"left_behind": left}).data)
