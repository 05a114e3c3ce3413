"""Groups, their quota and members in the API."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery, Value
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.groups import services
from apps.groups.models import Group, Membership, Role
from apps.groups.permissions import check_admin, get_group, visible_groups
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Amounts, Body, NameField, Quota
from apps.rest.views import Resource


class GroupSerializer(serializers.Serializer):
    name = serializers.CharField()
    role = serializers.ChoiceField(Role.choices, help_text="Of whoever asks; admins may do what owners may")
    quota = Amounts(of=services.quota_of)
    reserved = Amounts(of=services.reserved_of, help_text="What the specs of the running apps reserve")
    subnet = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewGroup(Body):
    name = NameField()
    quota = Quota()


class MemberSerializer(serializers.Serializer):
    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()


class MemberRole(Body):
    role = serializers.ChoiceField(Role.choices)


class Groups(Resource):
    query = PAGE

    @extend_schema(operation_id="groups_list", responses=page_of(GroupSerializer))
    def get(self, request: Request) -> Response:
        """The groups that you are a member of; all of them for admins."""
        return answer_page(request, with_role(visible_groups(self.user), self.user), GroupSerializer, ["name"])

    @extend_schema(operation_id="groups_create", request=NewGroup, responses={201: GroupSerializer})
    def post(self, request: Request) -> Response:
        """Make a group with a quota. For admins."""
        check_admin(self.user)
        data = self.body(NewGroup)
        group = services.create_group(self.user, data["name"], Quota.value(data["quota"]))
        return Response(_show(group, self.user), 201, headers={"Location": f"{request.path}/{group.name}"})


class GroupDetail(Resource):
    @extend_schema(operation_id="groups_get", responses=GroupSerializer)
    def get(self, request: Request, group: str) -> Response:
        """One group."""
        return Response(_show(get_group(self.user, group), self.user))

    @extend_schema(operation_id="groups_delete", responses={204: None})
    def delete(self, request: Request, group: str) -> Response:
        """Delete a group that has no apps. For its owners."""
        services.delete_group(self.user, get_group(self.user, group, Role.OWNER))
        return Response(status=204)


class GroupQuota(Resource):
    @extend_schema(operation_id="groups_quota_get", responses=Amounts)
    def get(self, request: Request, group: str) -> Response:
        """What the group may reserve."""
        return Response(Amounts(services.quota_of(get_group(self.user, group))).data)

    @extend_schema(operation_id="groups_quota_set", request=Quota, responses=Amounts)
    def put(self, request: Request, group: str) -> Response:
        """Set what the group may reserve. For admins."""
        found = get_group(self.user, group)
        check_admin(self.user)
        changed = services.set_quota(self.user, found, Quota.value(self.body(Quota)))
        return Response(Amounts(services.quota_of(changed)).data)


class Members(Resource):
    query = PAGE

    @extend_schema(operation_id="members_list", responses=page_of(MemberSerializer))
    def get(self, request: Request, group: str) -> Response:
        """Who is in the group."""
        members = get_group(self.user, group).memberships.select_related("user")
        return answer_page(request, members, MemberSerializer, ["id"])


class Member(Resource):
    @extend_schema(operation_id="members_set", request=MemberRole, responses=MemberSerializer)
    def put(self, request: Request, group: str, username: str) -> Response:
        """Give a user a role in the group, whether they had one or not. For its owners."""
        found = get_group(self.user, group, Role.OWNER)
        member = services.set_member(self.user, found, username, self.body(MemberRole)["role"])
        return Response(MemberSerializer(member).data)

    @extend_schema(operation_id="members_remove", responses={204: None})
    def delete(self, request: Request, group: str, username: str) -> Response:
        """End a membership. For the group's owners."""
        services.remove_member(self.user, get_group(self.user, group, Role.OWNER), username)
        return Response(status=204)


def with_role(groups: QuerySet[Group], user: User) -> QuerySet[Group]:
    """The groups with the `role` of `user` in each."""
    if user.is_admin:
        return groups.annotate(role=Value(Role.OWNER.value))
    own = Membership.objects.filter(group=OuterRef("pk"), user=user).values("role")
    return groups.annotate(role=Subquery(own))


def _show(group: Group, user: User) -> dict[str, object]:
    return GroupSerializer(with_role(Group.objects.filter(pk=group.pk), user).get()).data
