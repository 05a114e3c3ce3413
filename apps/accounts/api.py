"""Yourself, your tokens, and for admins the users, in the API."""

from __future__ import annotations

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services, users
from apps.accounts.models import User
from apps.errors import NotFound
from apps.groups.models import Role
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Body, Flag
from apps.rest.views import AdminResource, Resource


class OwnGroup(serializers.Serializer):
    name = serializers.CharField(source="group.name")
    role = serializers.ChoiceField(Role.choices)


class TokenSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="Its first characters")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown once")


class NewToken(Body):
    name = serializers.CharField(max_length=60)
    expires_at = serializers.DateTimeField(allow_null=True, default=None)


class UserSerializer(serializers.Serializer):
    username = serializers.CharField()
    email = serializers.CharField()
    admin = serializers.BooleanField(source="is_superuser")
    active = serializers.BooleanField(source="is_active")
    created_at = serializers.DateTimeField(source="date_joined")
    last_login = serializers.DateTimeField(allow_null=True)


class MeSerializer(UserSerializer):
    groups = OwnGroup(many=True, source="own_groups")


class NewUser(Body):
    username = serializers.CharField(max_length=150, help_text="Letters, digits and `. _ @ + -`; 64 at most")
    password = serializers.CharField(
        max_length=128, allow_null=True, default=None, trim_whitespace=False, help_text="Without one, no login"
    )
    email = serializers.EmailField(default="", allow_blank=True)
    admin = Flag(default=False)


class UserChanges(Body):
    active = Flag(required=False)
    admin = Flag(required=False)
    password = serializers.CharField(
        max_length=128, allow_null=True, required=False, trim_whitespace=False, help_text="A new one; null: no login"
    )


class Me(Resource):
    @extend_schema(operation_id="me_get", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Who you are, and your groups."""
        user = self.user
        user.own_groups = user.memberships.select_related("group").order_by("group__name")
        return Response(MeSerializer(user).data)


class Tokens(Resource):
    query = PAGE

    @extend_schema(operation_id="tokens_list", responses=page_of(TokenSerializer))
    def get(self, request: Request) -> Response:
        """Your API tokens."""
        return answer_page(request, self.user.api_tokens.all(), TokenSerializer, ["id"])

    @extend_schema(operation_id="tokens_create", request=NewToken, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token. The answer holds it; it cannot be shown again."""
        data = self.body(NewToken)
        token, secret = services.create_token(self.user, data["name"], data["expires_at"])
        return Response({**TokenSerializer(token).data, "token": secret}, 201)


class Token(Resource):
    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, token: int) -> Response:
        """End one of your tokens at once."""
        found = self.user.api_tokens.filter(pk=token).first()
        if found is None:
            raise NotFound
        services.revoke_token(self.user, found)
        return Response(status=204)


class Users(AdminResource):
    query = PAGE

    @extend_schema(operation_id="users_list", responses=page_of(UserSerializer))
    def get(self, request: Request) -> Response:
        """Everyone. For admins."""
        return answer_page(request, User.objects.all(), UserSerializer, ["id"])

    @extend_schema(operation_id="users_create", request=NewUser, responses={201: UserSerializer})
    def post(self, request: Request) -> Response:
        """Let someone in. For admins."""
        data = self.body(NewUser)
        user = users.create_user(
            self.user, data["username"], data["password"], email=data["email"], admin=data["admin"]
        )
        return Response(UserSerializer(user).data, 201)


class UserDetail(AdminResource):
    @extend_schema(operation_id="users_get", responses=UserSerializer)
    def get(self, request: Request, username: str) -> Response:
        """One user. For admins."""
        return Response(UserSerializer(_user(username)).data)

    @extend_schema(operation_id="users_change", request=UserChanges, responses=UserSerializer)
    def patch(self, request: Request, username: str) -> Response:
        """Deactivate a user or take them back, make them an admin or not, set their password anew. For admins."""
        user, data = _user(username), self.body(UserChanges)
        with transaction.atomic():
            if "password" in data:
                user = users.set_password(self.user, user, data["password"])
            if "admin" in data:
                user = users.set_admin(self.user, user, data["admin"])
            if "active" in data:
                user = users.set_active(self.user, user, data["active"])
        return Response(UserSerializer(user).data)

    @extend_schema(operation_id="users_delete", responses={204: None})
    def delete(self, request: Request, username: str) -> Response:
        """Delete a user with their tokens and memberships. The history stays, without their name. For admins."""
        users.delete_user(self.user, _user(username))
        return Response(status=204)


def _user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound
    return user
