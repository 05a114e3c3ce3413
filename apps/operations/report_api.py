"""What the API shows of an operation's report: the same that its page shows."""

from __future__ import annotations

from rest_framework import serializers

from apps.operations import report
from apps.operations.models import Operation
from apps.operations.report import MOST_INSTANCES, Report
from scheduler.traffic.figures import Outcome


class ServedSerializer(serializers.Serializer):
    """What the app's edges served meanwhile, to within 10 s at either end. The newest figures are some 2 s late."""

    requests = serializers.IntegerField(help_text="Requests that ended, and TCP sessions")
    failed = serializers.IntegerField(source="errors", help_text="Of these 5xx of the app, no_server, timeout, broken")
    outcomes = serializers.SerializerMethodField(help_text=f"How many ended how: {', '.join(Outcome)}. Without zeros")

    def get_outcomes(self, figures) -> dict[str, int]:
        return {str(outcome): count for outcome, count in figures.outcomes.items() if count}


class NotKnownSerializer(serializers.Serializer):
    """Why figures are not to be had."""

    code = serializers.CharField(help_text="not_begun, too_long_ago, group_gone or traffic_unavailable")
    message = serializers.CharField()


class MomentsSerializer(serializers.Serializer):
    """When an instance that came or went meanwhile took each step; null: it has not, or the step is not its own."""

    id = serializers.CharField(source="name", help_text="`<slot>-<generation>`")
    release = serializers.IntegerField(source="release.number")
    node = serializers.CharField(source="node.name", default=None, allow_null=True)
    failed = serializers.BooleanField(help_text="It went because of a fault of its own")
    created_at = serializers.DateTimeField(help_text="It was placed on its node")
    started_at = serializers.DateTimeField(allow_null=True)
    healthy_at = serializers.DateTimeField(allow_null=True, help_text="Every live edge had acknowledged that it is up")
    draining_at = serializers.DateTimeField(allow_null=True, help_text="It got no new sessions from here on")
    withdrawn_at = serializers.DateTimeField(
        allow_null=True, help_text="Drained: its sessions had ended, or their time was over; edges were told to drop it"
    )
    stopping_at = serializers.DateTimeField(
        allow_null=True, help_text="Every live edge had acknowledged that; it was told to stop"
    )
    gone_at = serializers.DateTimeField(allow_null=True, help_text="Its container was stopped and removed")


class ReportSerializer(serializers.Serializer):
    """What happened while the operation was under way."""

    served = ServedSerializer(allow_null=True, help_text="Null: not known, and `served_unknown` says why")
    served_unknown = NotKnownSerializer(source="unknown", allow_null=True)
    instances = MomentsSerializer(
        many=True, help_text=f"The first {MOST_INSTANCES}, in the order they were made; `/instances` lists all"
    )
    more_instances = serializers.BooleanField(source="more", help_text="There are more than these")

    def get_attribute(self, instance: Operation) -> Report:
        return report.of(instance)
