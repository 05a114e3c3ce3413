"""Why an app is where it is, or nowhere, in the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications.models import App
from apps.applications.permissions import get_app
from apps.errors import NotFound
from apps.placement.api import ProfileSerializer
from apps.rest import parameters
from apps.rest.cursors import LIMIT, PAGE, next_page, read_cursor
from apps.rest.serializers import English, ShortageSerializer
from apps.rest.views import Resource

if TYPE_CHECKING:
    from scheduler.queries import Explained


class VerdictSerializer(serializers.Serializer):
    filter = serializers.CharField()
    subject = serializers.CharField(help_text="The resource, expression or rule that it is about")
    fits = serializers.BooleanField()
    detail = English(help_text="With the figures, such as “memory: needs 512 MiB, 300 MiB free of 4 GiB”")


class PointsSerializer(serializers.Serializer):
    name = serializers.CharField()
    subject = serializers.CharField()
    weight = serializers.IntegerField()
    points = serializers.IntegerField(help_text="Thousandths; times the weight they are what the score adds")
    detail = English(help_text="Figures that the points do not say, such as “12.3 MiB to fetch”; or empty")


class NodeReportSerializer(serializers.Serializer):
    node = serializers.CharField()
    here = serializers.IntegerField(help_text="Instances of the app that run here and stay")
    fits = serializers.BooleanField()
    total = serializers.IntegerField(help_text="The sum of all points by their weights: of nodes that fit, most wins")
    verdicts = VerdictSerializer(many=True)
    scores = PointsSerializer(many=True)


class PlacementSerializer(serializers.Serializer):
    """How every node looks to one more instance of the app."""

    wanted = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Instances without a node")
    fitting = serializers.IntegerField(help_text="Nodes that would take one more")
    nodes_in_all = serializers.IntegerField()
    summary = English(help_text="Why no node would, in one line; empty where one would")
    shortages = ShortageSerializer(many=True)
    remedies = serializers.ListField(child=English(), help_text="Each alone makes room for one more")
    profile = ProfileSerializer(help_text="What counts, and how much")
    nodes = NodeReportSerializer(many=True, help_text="The best first, then those with the fewest reasons against")
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, null on the last")


class Placement(Resource):
    query = (*PAGE, parameters.text("node", "This node alone"))

    @extend_schema(
        operation_id="apps_placement",
        responses=PlacementSerializer,
    )
    def get(self, request: Request, group: str, app: str) -> Response:
        """Each node's verdicts, figures and points for one more instance of the app, and what would make one fit."""
        found = explained(get_app(self.user, group, app))
        if name := request.query_params.get("node"):
            nodes, following = [_node(found, name)], None
        else:
            limit = LIMIT.of(request.query_params)
            cursor = request.query_params.get("cursor")
            start = int(read_cursor(request, cursor)[0]) if cursor else 0
            nodes = found.nodes(start, limit)
            end = start + len(nodes)
            following = next_page(request, [end]) if end < len(found.explanation.names) else None
        return Response(PlacementSerializer({**overall(found), "nodes": nodes, "next": following}).data)


def explained(app: App) -> Explained:
    """How the nodes look to one more instance. Raises `NotFound` when the app is gone by now."""
    from scheduler import queries  # loads the engine's client, which most requests do without

    found = queries.explain(app.pk)
    if found is None:
        raise NotFound
    return found


def overall(found: Explained) -> dict[str, Any]:
    """All but single nodes."""
    explanation = found.explanation
    return {
        "wanted": found.wanted,
        "missing": found.missing,
        "fitting": found.fitting,
        "nodes_in_all": len(explanation.names),
        "summary": explanation.summary() if explanation.pending else "",
        "shortages": [shortage.as_dict() for shortage in explanation.shortages],
        "remedies": list(explanation.remedies),
        "profile": found.profile.as_dict(),
    }


def _node(found: Explained, name: str) -> dict[str, Any]:
    try:
        return found.node(name)
    except KeyError:
        raise NotFound from None
