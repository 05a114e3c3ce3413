"""Placement profiles in the API. Ops set them, and members see what their group is placed by."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.groups.models import Group
from apps.groups.permissions import check_admin, get_group
from apps.placement import services, words
from apps.rest.serializers import Body, Whole
from apps.rest.views import AdminResource, Resource
from scheduler.placement.profiles import FILTER_NAMES, HEAVIEST, PHYSICS, PRESETS, SCORES


class ProfileBody(Body):
    """A preset, or what counts and what is left out."""

    preset = serializers.ChoiceField(sorted(PRESETS), required=False)
    weights = serializers.DictField(
        child=Whole(min_value=0, max_value=HEAVIEST),
        required=False,
        help_text=f"By score: {', '.join(SCORES)}",
    )
    without = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text=f"Filters that are left out, of: {', '.join(sorted(FILTER_NAMES - PHYSICS))}",
    )


class ProfileSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="The preset's, or custom")
    weights = serializers.DictField(child=serializers.IntegerField(), help_text="By score; what is not named is 0")
    without = serializers.ListField(child=serializers.CharField(), help_text="Filters that are left out")


class PictureSerializer(serializers.Serializer):
    """All instances that were tried, in figures."""

    placed = serializers.IntegerField()
    pending = serializers.IntegerField()
    nodes_used = serializers.IntegerField()
    sharing = serializers.IntegerField(help_text="Instances with another one of their app on the same node")
    fullest = serializers.IntegerField(help_text="Percent that is reserved of the fullest ready node")
    emptiest = serializers.IntegerField()


class TriedAppSerializer(serializers.Serializer):
    app = serializers.CharField()
    now = serializers.DictField(child=serializers.IntegerField(), help_text="Instances by node")
    then = serializers.DictField(child=serializers.IntegerField())


class TrialSerializer(serializers.Serializer):
    """How what runs would be placed if all of it were placed anew. Setting a profile moves nothing."""

    now = PictureSerializer()
    then = PictureSerializer()
    elsewhere = serializers.IntegerField(help_text="Instances that would be on another node")
    apps = TriedAppSerializer(many=True, help_text="Those whose instances would be elsewhere; at most 50")
    apps_in_all = serializers.IntegerField()


class SetProfileSerializer(ProfileSerializer):
    trial = TrialSerializer(allow_null=True, help_text="Of a dry run")


class GroupProfileSerializer(ProfileSerializer):
    own = serializers.BooleanField(help_text="False: the cluster's")


class ProfileResource(Resource):
    """One that takes a profile: a dry run tries it."""

    plans = True

    def change(self, group: Group | None) -> Response:
        check_admin(self.user)
        data = self.body(ProfileBody)
        profile = services.parse(data.get("preset"), data.get("weights"), data.get("without"))
        if self.dry_run:
            return Response({**profile.as_dict(), "trial": services.trial(group, profile)})
        services.set_profile(self.user, group, profile)
        return Response({**profile.as_dict(), "trial": None})


class ClusterProfile(ProfileResource, AdminResource):
    @extend_schema(operation_id="placement_profile_get", responses=ProfileSerializer)
    def get(self, request: Request) -> Response:
        """What the apps of groups without a profile of their own are placed by."""
        return Response(services.cluster_profile().as_dict())

    @extend_schema(operation_id="placement_profile_set", request=ProfileBody, responses=SetProfileSerializer)
    def put(self, request: Request) -> Response:
        """Place by this from now on; a dry run tries it on what runs."""
        return self.change(None)


class GroupProfile(ProfileResource):
    @extend_schema(operation_id="groups_profile_get", responses=GroupProfileSerializer)
    def get(self, request: Request, group: str) -> Response:
        """What the group's apps are placed by."""
        found = services.profile_of(get_group(self.user, group))
        return Response({**found.profile.as_dict(), "own": found.own})

    @extend_schema(operation_id="groups_profile_set", request=ProfileBody, responses=SetProfileSerializer)
    def put(self, request: Request, group: str) -> Response:
        """Place the group's apps by a profile of its own; a dry run tries it on what runs. For admins."""
        return self.change(get_group(self.user, group))

    @extend_schema(operation_id="groups_profile_unset", responses={204: None})
    def delete(self, request: Request, group: str) -> Response:
        """Place the group's apps as the cluster's are. For admins."""
        found = get_group(self.user, group)
        check_admin(self.user)
        if not self.dry_run:
            services.unset_profile(self.user, found)
        return Response(status=204)


class PresetSerializer(ProfileSerializer):
    description = serializers.CharField()


class ScoreSerializer(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()


class FilterSerializer(ScoreSerializer):
    can_be_left_out = serializers.BooleanField()


class ChoicesSerializer(serializers.Serializer):
    """All that a profile can be made of."""

    presets = PresetSerializer(many=True)
    scores = ScoreSerializer(many=True)
    filters = FilterSerializer(many=True)


class Choices(AdminResource):
    @extend_schema(operation_id="placement_choices", responses=ChoicesSerializer)
    def get(self, request: Request) -> Response:
        """The presets, and the scores and filters that a profile can be made of."""
        presets = [{**p.as_dict(), "description": words.PRESETS[p.name][1]} for p in PRESETS.values()]
        scores = [{"name": name, "description": words.SCORES[name][1]} for name in SCORES]
        filters = [
            {"name": name, "description": words.FILTERS[name], "can_be_left_out": name not in PHYSICS}
            for name in sorted(FILTER_NAMES)
        ]
        return Response(ChoicesSerializer({"presets": presets, "scores": scores, "filters": filters}).data)
