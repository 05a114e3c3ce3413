"""History in the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.events.messages import MESSAGES, sentence
from apps.events.models import Event
from apps.events.permissions import visible_events
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.filters import filtered
from apps.rest.parameters import choice, identifier, text
from apps.rest.serializers import InEnglish, Reason
from apps.rest.views import Resource

FILTERS = {
    "group": "group__name",
    "app": "app__name",
    "node": "node__name",
    "operation": "operation_id",
    "kind": "kind",
}


class EventSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    message = serializers.SerializerMethodField(help_text="The sentence, in the language of the request")
    params = InEnglish()
    reason = Reason(allow_null=True)
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)
    group = serializers.CharField(source="group.name", default=None, allow_null=True)
    app = serializers.CharField(source="app.name", default=None, allow_null=True)
    node = serializers.CharField(source="node.name", default=None, allow_null=True)
    operation = serializers.UUIDField(source="operation_id", allow_null=True)

    def get_message(self, event: Event) -> str:
        return sentence(event.kind, event.params, event.reason)


class Events(Resource):
    query = (*PAGE, text("group"), text("app"), text("node"), identifier("operation"), choice("kind", MESSAGES))

    @extend_schema(
        operation_id="events_list",
        responses=page_of(EventSerializer),
    )
    def get(self, request: Request) -> Response:
        """What happened in your groups, newest first; for admins everywhere."""
        events = visible_events(self.user).select_related("actor", "group", "app", "node")
        return answer_page(request, filtered(request, events, FILTERS), EventSerializer, ["id"], newest_first=True)
