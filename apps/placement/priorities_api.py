"""Priority classes in the API. Ops make them; everyone sees those that their apps may have."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.groups.permissions import check_admin, visible_groups
from apps.placement import priorities
from apps.placement.models import PriorityClass
from apps.placement.priorities import HIGHEST
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Body, Flag, NameField, Whole
from apps.rest.views import Resource


class PrioritySerializer(serializers.Serializer):
    name = serializers.CharField()
    value = serializers.IntegerField(help_text="A higher one may displace lower ones; apps without a class have 0")
    protected = serializers.BooleanField(help_text="Its instances are never displaced")
    groups = serializers.SerializerMethodField(help_text="Those of yours that may use it; null: every group")
    created_at = serializers.DateTimeField()

    def get_groups(self, row: PriorityClass) -> list[str] | None:
        if row.for_all:
            return None
        if "seen" not in self.context:
            seen = visible_groups(self.context["request"].user)
            self.context["seen"] = set(seen.values_list("name", flat=True))
        return sorted({group.name for group in row.groups.all()} & self.context["seen"])


class PriorityChanges(Body):
    value = Whole(min_value=-HIGHEST, max_value=HIGHEST)
    protected = Flag(default=False)
    groups = serializers.ListField(child=serializers.CharField(max_length=40), allow_null=True, default=None)


class NewPriority(PriorityChanges):
    name = NameField()


class Priorities(Resource):
    query = PAGE

    @extend_schema(operation_id="priorities_list", responses=page_of(PrioritySerializer))
    def get(self, request: Request) -> Response:
        """The priority classes that your groups' apps may have."""
        return answer_page(request, priorities.visible(self.user), PrioritySerializer, ["name"])

    @extend_schema(operation_id="priorities_create", request=NewPriority, responses={201: PrioritySerializer})
    def post(self, request: Request) -> Response:
        """Make a priority class. For admins."""
        check_admin(self.user)
        made = priorities.create(self.user, **self.body(NewPriority))
        shown = PrioritySerializer(made, context={"request": request})
        return Response(shown.data, 201, headers={"Location": f"{request.path}/{made.name}"})


class PriorityDetail(Resource):
    @extend_schema(operation_id="priorities_get", responses=PrioritySerializer)
    def get(self, request: Request, priority: str) -> Response:
        """One priority class."""
        return Response(PrioritySerializer(priorities.get(self.user, priority), context={"request": request}).data)

    @extend_schema(operation_id="priorities_set", request=PriorityChanges, responses=PrioritySerializer)
    def put(self, request: Request, priority: str) -> Response:
        """Set all of a class but its name; it holds for what runs already. For admins."""
        check_admin(self.user)
        found = priorities.change(self.user, priorities.get(self.user, priority), **self.body(PriorityChanges))
        return Response(PrioritySerializer(found, context={"request": request}).data)

    @extend_schema(operation_id="priorities_delete", responses={204: None})
    def delete(self, request: Request, priority: str) -> Response:
        """Delete a class that no app has. For admins."""
        check_admin(self.user)
        priorities.delete(self.user, priorities.get(self.user, priority))
        return Response(status=204)
