"""What the edges have served of an app, in the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications.permissions import get_app
from apps.errors import Conflict
from apps.rest.parameters import whole
from apps.rest.views import Resource
from scheduler.traffic import here
from scheduler.traffic.figures import Figures, Outcome, total
from scheduler.traffic.source import Point, TrafficUnavailable

SHORTEST, LONGEST = 10, 86_400  # seconds


class FiguresSerializer(serializers.Serializer):
    requests = serializers.IntegerField(help_text="Requests that have ended, and TCP sessions")
    errors = serializers.IntegerField(help_text="Of these 5xx of the app, no_server, timeout and broken")
    outcomes = serializers.DictField(
        child=serializers.IntegerField(), help_text=f"How many ended how: {', '.join(Outcome)}. Without zeros"
    )
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()
    p50 = serializers.FloatField(allow_null=True, help_text="Seconds until the answer began, off by an eighth at most")
    p90 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    sessions = serializers.IntegerField(help_text="Requests and connections under way at the end")


class ReleaseFiguresSerializer(FiguresSerializer):
    release = serializers.IntegerField(help_text="0: what no instance got")


class TrafficWindowSerializer(serializers.Serializer):
    seconds = serializers.IntegerField()
    all = FiguresSerializer(help_text="Of all releases")
    releases = ReleaseFiguresSerializer(many=True)


class TrafficStepSerializer(serializers.Serializer):
    begin = serializers.DateTimeField()
    seconds = serializers.IntegerField(help_text="How long it is: 10 within the last hour, else 300")
    releases = ReleaseFiguresSerializer(many=True)


class TrafficSerializer(serializers.Serializer):
    """What all edges together have served."""

    window = TrafficWindowSerializer(help_text="The last seconds")
    series = TrafficStepSerializer(many=True, help_text="The oldest first; steps without traffic are missing")


WINDOW = whole("window", SHORTEST, LONGEST, 60, "Seconds until now to sum up, rounded up to whole steps")
SERIES = whole("series", SHORTEST, LONGEST, 1800, "Seconds until now to show step by step")


class Traffic(Resource):
    query = (WINDOW, SERIES)

    @extend_schema(
        operation_id="apps_traffic",
        responses=TrafficSerializer,
    )
    def get(self, request: Request, group: str, app: str) -> Response:
        """Requests, errors, latency and bytes of an app by release, as its edges have counted them."""
        named = get_app(request.user, group, app)
        window, series = WINDOW.of(request.query_params), SERIES.of(request.query_params)
        of = (named.group.name, named.name)
        try:
            points = here.source().series(of, window)
            steps = here.source().series(of, series)
            sessions = here.source().window(of, None, SHORTEST).sessions
        except TrafficUnavailable:
            raise Conflict(_("The figures cannot be read now."), "traffic_unavailable") from None
        return Response(TrafficSerializer(answer(window, points, steps, sessions)).data)


def answer(window: int, points: list[Point], steps: list[Point], sessions: int) -> Mapping[str, Any]:
    """`sessions`: those under way now, of all releases."""
    by_release: dict[int, list[Figures]] = {}
    for point in points:
        for release, figures in point.releases.items():
            by_release.setdefault(release, []).append(figures)
    last = points[-1].releases if points else {}
    now = {release: figures.sessions if sessions else 0 for release, figures in last.items()}
    releases = [shown(total(of), release, now.get(release, 0)) for release, of in sorted(by_release.items())]
    return {
        "window": {
            "seconds": window,
            "all": shown(total(each for of in by_release.values() for each in of), 0, sessions),
            "releases": releases,
        },
        "series": [
            {
                "begin": datetime.fromtimestamp(step.begin, UTC),
                "seconds": step.step,
                "releases": [shown(of, release, of.sessions) for release, of in step.releases.items()],
            }
            for step in steps
        ],
    }


def shown(figures: Figures, release: int, sessions: int) -> Mapping[str, Any]:
    return {
        "release": release,
        "requests": figures.requests,
        "errors": figures.errors,
        "outcomes": {str(outcome): count for outcome, count in figures.outcomes.items() if count},
        "bytes_in": figures.bytes_in,
        "bytes_out": figures.bytes_out,
        "p50": figures.p50,
        "p90": figures.p90,
        "p99": figures.p99,
        "sessions": sessions,
    }
