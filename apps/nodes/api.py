"""Nodes in the API. For admins: members of groups see the names of those that their instances are on."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.nodes import services
from apps.nodes.models import USUAL, Node, NodeState
from apps.nodes.permissions import get_node
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Amounts, Body, Bytes, Cpu, Flag, NameField, Whole
from apps.rest.views import AdminResource
from scheduler.model import Resources
from scheduler.placement.values import Taint


class TaintSerializer(serializers.Serializer):
    key = serializers.CharField()
    value = serializers.CharField()
    soft = serializers.BooleanField(help_text="A last resort instead of none at all")


class OvercommitSerializer(serializers.Serializer):
    """In percent; 100: nothing is lent out twice."""

    cpu = serializers.IntegerField()
    memory = serializers.IntegerField()
    disk = serializers.IntegerField()


class NodeSerializer(serializers.Serializer):
    name = serializers.CharField()
    engine_url = serializers.CharField()
    state = serializers.ChoiceField(NodeState.choices)
    problem = serializers.CharField(
        help_text="Why its engine cannot be used, empty when it can or was not looked at yet"
    )
    cordoned = serializers.BooleanField()
    draining = serializers.BooleanField()
    labels = serializers.DictField(child=serializers.CharField())
    taints = TaintSerializer(many=True, help_text="What keeps instances off that do not tolerate it")
    capacity = Amounts()
    system = Amounts(help_text="Kept back: nothing is placed upon it")
    overcommit = OvercommitSerializer()
    allocatable = Amounts(help_text="What instances may claim: capacity less the system's, times the overcommit")
    reserved = Amounts(help_text="Claimed by the instances that are placed here")
    engine_version = serializers.CharField()
    last_seen_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class NewNode(Body):
    name = NameField()
    engine_url = serializers.CharField(max_length=200, help_text="unix:///path/to/docker.sock or tcp://host:port")
    labels = serializers.DictField(child=serializers.CharField(max_length=63), default=dict)


class SystemReserve(Body):
    cpu = Cpu()
    memory = Bytes()
    disk = Bytes()


class NewTaint(Body):
    key = serializers.CharField(max_length=63)
    value = serializers.CharField(max_length=63, default="", allow_blank=True)
    soft = Flag(default=False)


class Overcommit(Body):
    cpu = Whole(required=False, min_value=USUAL, max_value=services.MOST_OVERCOMMIT)
    memory = Whole(required=False, min_value=USUAL, max_value=services.MOST_OVERCOMMIT)
    disk = Whole(required=False, min_value=USUAL, max_value=services.MOST_OVERCOMMIT)


class NodeChanges(Body):
    cordoned = Flag(required=False)
    labels = serializers.DictField(child=serializers.CharField(max_length=63), required=False)
    taints = NewTaint(many=True, required=False)
    system = SystemReserve(required=False)
    overcommit = Overcommit(required=False)


class Nodes(AdminResource):
    query = PAGE

    @extend_schema(operation_id="nodes_list", responses=page_of(NodeSerializer))
    def get(self, request: Request) -> Response:
        """Every node, with its capacity and what is reserved of it."""
        return answer_page(request, Node.objects.all(), NodeSerializer, ["name"])

    @extend_schema(operation_id="nodes_enrol", request=NewNode, responses={201: NodeSerializer})
    def post(self, request: Request) -> Response:
        """Enrol a Docker Engine. Doing it again is no error."""
        data = self.body(NewNode)
        node = services.enrol(data["name"], data["engine_url"], data["labels"], actor=self.user)
        return Response(NodeSerializer(node).data, 201, headers={"Location": f"{request.path}/{node.name}"})


class NodeDetail(AdminResource):
    @extend_schema(operation_id="nodes_get", responses=NodeSerializer)
    def get(self, request: Request, node: str) -> Response:
        """One node."""
        return Response(NodeSerializer(get_node(self.user, node)).data)

    @extend_schema(operation_id="nodes_change", request=NodeChanges, responses=NodeSerializer)
    def patch(self, request: Request, node: str) -> Response:
        """Cordon a node or take it back, replace its labels and taints, say how much of it is lent out."""
        found = get_node(self.user, node)
        changes: dict[str, Any] = dict(self.body(NodeChanges))
        if "system" in changes:
            changes["system"] = Resources(**changes["system"])
        if "taints" in changes:
            changes["taints"] = [Taint(**taint) for taint in changes["taints"]]
        return Response(NodeSerializer(services.change_node(self.user, found, **changes)).data)

    @extend_schema(operation_id="nodes_remove", responses={204: None})
    def delete(self, request: Request, node: str) -> Response:
        """Forget a node that no instance is on."""
        services.remove_node(self.user, get_node(self.user, node))
        return Response(status=204)
