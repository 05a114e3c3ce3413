"""Rebalancing in the API. For admins."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.placement import rebalancing
from apps.rest.serializers import Body, Flag, NoBody, Whole
from apps.rest.views import AdminResource


class PolicyBody(Body):
    enabled = Flag(required=False)
    most = Whole(required=False, min_value=1, max_value=rebalancing.MOST)


class RebalanceSerializer(serializers.Serializer):
    enabled = serializers.BooleanField(help_text="Whether instances move after nodes have joined, come back or drained")
    most = serializers.IntegerField(help_text="Instances that move at once, and in a minute")
    under_way = serializers.IntegerField(help_text="Instances that are moving")


class MoveSerializer(serializers.Serializer):
    app = serializers.CharField(help_text="group/app")
    instance = serializers.CharField()
    source = serializers.CharField()
    target = serializers.CharField()
    gain = serializers.IntegerField(help_text="By how much the target scores higher, in thousandths")


class MovesSerializer(serializers.Serializer):
    moves = MoveSerializer(many=True, help_text="The best first. What happens meanwhile may change them")


class Rebalance(AdminResource):
    plans = True

    @extend_schema(operation_id="placement_rebalance_get", responses=RebalanceSerializer)
    def get(self, request: Request) -> Response:
        """Whether instances are moved to nodes that suit them better, and how many are moving."""
        return Response(self._shown())

    @extend_schema(operation_id="placement_rebalance_set", request=PolicyBody, responses=RebalanceSerializer)
    def patch(self, request: Request) -> Response:
        """Turn it on or off, say how many move at once."""
        data = self.body(PolicyBody)
        if self.dry_run:
            return Response({**self._shown(), **data})
        rebalancing.set_policy(self.user, **data)
        return Response(self._shown())

    @extend_schema(operation_id="placement_rebalance", request=NoBody, responses={202: MovesSerializer})
    def post(self, request: Request) -> Response:
        """Move now what is better off elsewhere; a dry run says what that is, with the gain of each move."""
        self.body(NoBody)
        moves = MovesSerializer({"moves": rebalancing.plan()}).data
        if not self.dry_run:
            rebalancing.begin(self.user)
        return Response(moves, 202)

    def _shown(self) -> dict[str, Any]:
        policy = rebalancing.policy()
        return {"enabled": policy.enabled, "most": policy.most, "under_way": rebalancing.under_way()}
