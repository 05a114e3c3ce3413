"""/metrics and /healthz: what a monitor asks.

The figures of requests are counted in this process. The states of apps, instances and operations are read from the
database when they are asked for, in one query.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address, ip_network

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, QuerySet, Value
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework import exceptions
from rest_framework.request import Request

from apps.applications.models import App, Instance
from apps.operations.models import ACTIVE, Operation
from apps.rest import traffic_metrics
from apps.rest.auth import TokenAuthentication

REGISTRY = CollectorRegistry()
REQUESTS = Counter("berth_http_requests", "Requests", ["method", "route", "status"], registry=REGISTRY)
SECONDS = Histogram("berth_http_request_seconds", "How long requests took", ["method", "route"], registry=REGISTRY)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class States(Collector):
    """Apps, instances that are not gone, and operations under way, by state."""

    def collect(self) -> Iterator[Metric]:
        gauges = {
            noun: GaugeMetricFamily(f"berth_{noun}", f"{noun.capitalize()} by state", labels=["state"])
            for noun in ("apps", "instances", "operations")
        }
        for noun, state, count in self._rows():
            gauges[noun].add_metric([state], count)
        yield from gauges.values()

    def describe(self) -> list[Metric]:
        return []  # registering must not look at the database

    def _rows(self) -> QuerySet[tuple[str, str, int]]:
        operations = Operation.objects.filter(status__in=ACTIVE)
        return _counts("apps", App.objects.all(), "status").union(
            _counts("instances", Instance.objects.filter(gone_at=None), "state"),
            _counts("operations", operations, "status"),
            all=True,
        )


def _counts(noun: str, rows: QuerySet, column: str) -> QuerySet:
    counted = rows.order_by().values(column).annotate(noun=Value(noun), count=Count("pk"))
    return counted.values_list("noun", column, "count")


REGISTRY.register(States())
REGISTRY.register(traffic_metrics.Traffic())


def measure(get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]) -> Callable:
    """Middleware: counts requests and how long they took, by the pattern of their address."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            began = time.perf_counter()
            response = await get_response(request)
            _note(request, response, time.perf_counter() - began)
            return response

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> HttpResponse:
            began = time.perf_counter()
            response = get_response(request)
            _note(request, response, time.perf_counter() - began)
            return response

    return middleware


measure.sync_capable = True  # type: ignore[attr-defined]
measure.async_capable = True  # type: ignore[attr-defined]


def _note(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    # patterns and not addresses, and no methods that a client made up: the number of series stays bounded
    route = request.resolver_match.route if request.resolver_match else ""
    method = request.method if request.method in _METHODS else "other"
    REQUESTS.labels(method, route, response.status_code).inc()
    SECONDS.labels(method, route).observe(seconds)


def metrics(request: HttpRequest) -> HttpResponse:
    """For `BERTH_METRICS_FROM`, loopback unless said, or with an admin's token; others find nothing here."""
    if not (_is_near(request) or _is_admin(request)):
        return HttpResponse(status=404)
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def healthz(request: HttpRequest) -> JsonResponse:
    """Whether this process answers and reaches the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    return JsonResponse({"status": "ok"})


def _is_near(request: HttpRequest) -> bool:
    """From a network that may, and not on behalf of someone else: a proxy there says for whom it asks."""
    if any(header in request.headers for header in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a unix socket has no address: that is a proxy's way in
    return any(address in ip_network(network) for network in settings.BERTH.metrics_from)


def _is_admin(request: HttpRequest) -> bool:
    try:
        found = TokenAuthentication().authenticate(Request(request))
    except exceptions.AuthenticationFailed:
        return False
    return found is not None and found[0].is_admin
