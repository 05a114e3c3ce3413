"""How apps, releases, instances and logs look in the API."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.applications.canary import progress
from apps.applications.http_spec import shown
from apps.applications.models import App, AppStatus, Instance, Release
from apps.applications.spec_schema import SPEC
from apps.operations.models import ACTIVE, Operation
from apps.rest.serializers import Amounts, InEnglish, Moment, Reason
from scheduler.lifecycle import State
from scheduler.model import ExecHealth, Process, Relocate, Resources
from scheduler.reasons import text


@extend_schema_field(SPEC, component_name="Spec")
class SpecField(serializers.Field):
    """A release's spec with the name of its app: what can be sent back as it is."""

    def get_attribute(self, instance: App | Release) -> dict[str, Any]:
        app, release = (instance, instance.release) if isinstance(instance, App) else (instance.app, instance)
        return {"name": app.name, **shown(release.spec)}

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


class CanaryStepSerializer(serializers.Serializer):
    weight = serializers.IntegerField(help_text="Percent of the traffic")
    duration = serializers.FloatField(allow_null=True, help_text="Seconds; null: until it is promoted")


class CanarySerializer(serializers.Serializer):
    """A release that is tried on a part of the traffic, and how far it is."""

    release = serializers.IntegerField()
    step = serializers.IntegerField(help_text="The one that it is in, counted from 1")
    steps = CanaryStepSerializer(many=True)
    weight = serializers.IntegerField(help_text="Percent of the traffic that it has been given")
    since = serializers.DateTimeField(allow_null=True, help_text="When every edge had applied that; null: not yet")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When its step is over at the earliest")
    promoted = serializers.BooleanField(help_text="All of the traffic is to be its own")

    def to_representation(self, instance: App) -> Any:
        shown = progress(instance)
        return None if shown is None else super().to_representation(shown)


class AppSerializer(serializers.Serializer):
    name = serializers.CharField()
    group = serializers.CharField(source="group.name")
    status = serializers.ChoiceField(AppStatus.choices)
    status_reason = Reason(allow_null=True)
    running = serializers.BooleanField(help_text="False: stopped on request")
    deleting = serializers.BooleanField()
    healthy = serializers.IntegerField(help_text="Instances that are healthy now")
    present = serializers.IntegerField(help_text="Instances that are not gone, those on their way out included")
    operation = serializers.UUIDField(allow_null=True, help_text="The one that is under way")
    explanation = InEnglish(allow_null=True, help_text="Why instances wait for a node, if some do")
    release = serializers.IntegerField(source="release.number")
    digest = serializers.CharField(source="release.digest")
    last_good_release = serializers.IntegerField(source="last_good.number", default=None, allow_null=True)
    canary = CanarySerializer(source="*", allow_null=True)
    tcp_port = serializers.IntegerField(allow_null=True, help_text="Of the edges, while it is exposed")
    created_at = serializers.DateTimeField()
    spec = SpecField()


class ReleaseSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    digest = serializers.CharField()
    made_from = serializers.IntegerField(allow_null=True, help_text="The release that a rollback went back to")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    spec = SpecField()


class ProbeSerializer(serializers.Serializer):
    """What one edge sees."""

    up = serializers.BooleanField()
    since = Moment()
    detail = serializers.CharField()
    sessions = serializers.IntegerField()


def _claim(instance: Instance) -> Resources:
    return Resources(instance.cpu, instance.memory, instance.disk, 1)


class ChoiceOrNull(serializers.ChoiceField):
    """A choice that is null where the row has an empty text."""

    def to_representation(self, value: str) -> str | None:
        return value or None


class InstanceSerializer(serializers.Serializer):
    id = serializers.CharField(source="name", help_text="`<slot>-<generation>`")
    slot = serializers.IntegerField()
    generation = serializers.IntegerField()
    release = serializers.IntegerField(source="release.number")
    node = serializers.CharField(source="node.name", default=None, allow_null=True)
    address = serializers.CharField()
    claim = Amounts(of=_claim)
    state = serializers.ChoiceField([state.value for state in State])
    since = serializers.DateTimeField()
    reason = Reason(allow_null=True)
    failed = serializers.BooleanField(help_text="It went because of a fault of its own")
    process = serializers.ChoiceField([process.value for process in Process])
    exit_code = serializers.IntegerField(allow_null=True)
    oom_killed = serializers.BooleanField(help_text="It ran out of memory at least once: `claim.memory` is its limit")
    exec_health = serializers.ChoiceField([health.value for health in ExecHealth])
    restarts = serializers.IntegerField()
    relocate = ChoiceOrNull(
        [why.value for why in Relocate], allow_null=True, help_text="Why another one takes its place elsewhere"
    )
    drift = serializers.SerializerMethodField(
        help_text="How its container differs from what was made, in English; or empty"
    )
    probes = serializers.DictField(child=ProbeSerializer(), help_text="By edge")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    healthy_at = serializers.DateTimeField(allow_null=True)
    draining_at = serializers.DateTimeField(allow_null=True, help_text="It got no new sessions from here on")
    withdrawn_at = serializers.DateTimeField(allow_null=True, help_text="It was taken out of the edges' configuration")
    stopping_at = serializers.DateTimeField(allow_null=True, help_text="Every edge had done so; it was told to stop")
    gone_at = serializers.DateTimeField(allow_null=True)

    def get_drift(self, instance: Instance) -> str:
        return text(instance.drift) if instance.drift else ""


class LogLineSerializer(serializers.Serializer):
    at = serializers.DateTimeField(allow_null=True)
    stream = serializers.CharField(allow_null=True, help_text="stdout or stderr")
    text = serializers.CharField()


class LogSerializer(serializers.Serializer):
    """The newest lines, oldest first; of an instance that is gone those that were kept when it failed."""

    lines = LogLineSerializer(many=True)


class PlannedSerializer(serializers.Serializer):
    slot = serializers.IntegerField()
    node = serializers.CharField(allow_null=True, help_text="Null: none fits")
    reason = serializers.CharField()


class PlanSerializer(serializers.Serializer):
    """What a change would do."""

    keep = serializers.ListField(child=serializers.CharField(), help_text="Instances that stay")
    create = PlannedSerializer(many=True)
    retire = serializers.ListField(child=serializers.CharField(), help_text="Instances that go")
    pending = serializers.IntegerField(help_text="Instances that no node has room for")
    explanation = InEnglish(help_text="How the nodes look after that; at most 50 of them")


def with_figures(apps: QuerySet[App]) -> QuerySet[App]:
    """The apps with all that `AppSerializer` shows, in one query."""
    present = Instance.objects.filter(app=OuterRef("pk"), gone_at=None).order_by()
    active = Operation.objects.filter(app=OuterRef("pk"), status__in=ACTIVE)
    return apps.select_related("group", "release", "last_good").annotate(
        present=_count(present),
        healthy=_count(present.filter(state=State.HEALTHY)),
        operation=Subquery(active.values("id")[:1], output_field=UUIDField()),
    )


def _count(instances: QuerySet[Instance]) -> Any:
    counted = instances.values("app").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
