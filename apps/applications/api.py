"""Apps in the API: what is asked of them, their releases, instances and logs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import services
from apps.applications.models import App, Instance
from apps.applications.permissions import get_app, visible_apps
from apps.applications.shapes import (
    AppSerializer,
    InstanceSerializer,
    LogSerializer,
    PlanSerializer,
    ReleaseSerializer,
    with_figures,
)
from apps.applications.spec_schema import APP_CHANGES, NEW_APP
from apps.errors import Conflict, NotFound
from apps.groups.models import Role
from apps.groups.permissions import get_group
from apps.operations import report
from apps.operations.api import OperationSerializer, accepted
from apps.operations.models import Operation
from apps.operations.permissions import get_operation
from apps.rest import parameters
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Body, NoBody, Whole
from apps.rest.views import Resource

CHANGED = {
    202: OpenApiResponse(OperationSerializer, description="Accepted: the operation, to be asked for at `Location`"),
    200: OpenApiResponse(PlanSerializer, description="The plan, of a dry run"),
}
MOST_LINES = 10_000
TAIL = parameters.whole("tail", 1, MOST_LINES, 100, "Lines")
GONE = parameters.flag("gone", "Those that are gone instead")


class AppResource(Resource):
    plans = True

    def app(self, role: Role = Role.VIEWER) -> App:
        return get_app(self.user, self.kwargs["group"], self.kwargs["app"], role)

    def answer(self, done: Operation | services.Plan) -> Response:
        return accepted(done) if isinstance(done, Operation) else Response(PlanSerializer(done).data)


class Apps(AppResource):
    query = PAGE

    @extend_schema(operation_id="apps_list", responses=page_of(AppSerializer))
    def get(self, request: Request, group: str) -> Response:
        """The apps of a group."""
        apps = with_figures(App.objects.filter(group=get_group(self.user, group), release__isnull=False))
        return answer_page(request, apps, AppSerializer, ["name"])

    @extend_schema(operation_id="apps_create", request={"application/json": NEW_APP}, responses=CHANGED)
    def post(self, request: Request, group: str) -> Response:
        """Deploy a new app from a spec. For developers."""
        found = get_group(self.user, group, Role.DEVELOPER)
        return self.answer(services.create_app(self.user, found, request.data, dry_run=self.dry_run))


class AppDetail(AppResource):
    @extend_schema(operation_id="apps_get", responses=AppSerializer)
    def get(self, request: Request, group: str, app: str) -> Response:
        """One app: how it is, and the spec of its release."""
        rows = with_figures(visible_apps(self.user)).filter(group__name=group, name=app, release__isnull=False)
        found = rows.first()
        if found is None:
            raise NotFound
        return Response(AppSerializer(found).data)

    @extend_schema(operation_id="apps_change", request={"application/json": APP_CHANGES}, responses=CHANGED)
    def patch(self, request: Request, group: str, app: str) -> Response:
        """Change an app: what is given is merged into its spec and makes a release. For developers."""
        found = self.app(Role.DEVELOPER)
        return self.answer(services.change_app(self.user, found, request.data, dry_run=self.dry_run))

    @extend_schema(operation_id="apps_delete", responses=CHANGED)
    def delete(self, request: Request, group: str, app: str) -> Response:
        """Stop an app for good. For developers."""
        return self.answer(services.delete_app(self.user, self.app(Role.DEVELOPER), dry_run=self.dry_run))


class Releases(AppResource):
    query = PAGE

    @extend_schema(operation_id="releases_list", responses=page_of(ReleaseSerializer))
    def get(self, request: Request, group: str, app: str) -> Response:
        """The app's releases, newest first."""
        rows = self.app().releases.select_related("created_by", "app")
        return answer_page(request, rows, ReleaseSerializer, ["number"], newest_first=True)


class ReleaseDetail(AppResource):
    @extend_schema(operation_id="releases_get", responses=ReleaseSerializer)
    def get(self, request: Request, group: str, app: str, number: int) -> Response:
        """One release."""
        found = self.app().releases.select_related("created_by", "app").filter(number=number).first()
        if found is None:
            raise NotFound
        return Response(ReleaseSerializer(found).data)


class RollbackBody(Body):
    release = Whole(min_value=1, max_value=999_999_999, help_text="The one to go back to")


class Rollback(AppResource):
    @extend_schema(operation_id="apps_rollback", request=RollbackBody, responses=CHANGED)
    def post(self, request: Request, group: str, app: str) -> Response:
        """Make a new release from an old one. For developers."""
        found, number = self.app(Role.DEVELOPER), self.body(RollbackBody)["release"]
        return self.answer(services.rollback(self.user, found, number, dry_run=self.dry_run))


class ScaleBody(Body):
    replicas = Whole(min_value=1, max_value=1000)


class Scale(AppResource):
    @extend_schema(operation_id="apps_scale", request=ScaleBody, responses=CHANGED)
    def post(self, request: Request, group: str, app: str) -> Response:
        """Ask for another number of instances. For developers."""
        found, replicas = self.app(Role.DEVELOPER), self.body(ScaleBody)["replicas"]
        return self.answer(services.scale(self.user, found, replicas, dry_run=self.dry_run))


class _Action(AppResource):
    def act(self, change: Any) -> Response:
        found = self.app(Role.DEVELOPER)
        self.body(NoBody)
        return self.answer(change(self.user, found, dry_run=self.dry_run))


class Restart(_Action):
    @extend_schema(operation_id="apps_restart", request=NoBody, responses=CHANGED)
    def post(self, request: Request, group: str, app: str) -> Response:
        """Replace every instance by a new one of the same release. For developers."""
        return self.act(services.restart)


class Stop(_Action):
    @extend_schema(operation_id="apps_stop", request=NoBody, responses=CHANGED)
    def post(self, request: Request, group: str, app: str) -> Response:
        """Remove the app's instances; its release and routes stay. For developers."""
        return self.act(services.stop)


class Start(_Action):
    @extend_schema(operation_id="apps_start", request=NoBody, responses=CHANGED)
    def post(self, request: Request, group: str, app: str) -> Response:
        """Run a stopped app again. For developers."""
        return self.act(services.start)


class Instances(AppResource):
    query = (*PAGE, GONE)

    @extend_schema(
        operation_id="instances_list",
        responses=page_of(InstanceSerializer),
    )
    def get(self, request: Request, group: str, app: str) -> Response:
        """The app's instances with what engine and edges see of them."""
        gone = GONE.of(request.query_params)
        rows = self.app().instances.select_related("release", "node").filter(gone_at__isnull=not gone)
        return answer_page(request, rows, InstanceSerializer, ["generation"], newest_first=gone)


class OperationInstances(Resource):
    query = PAGE

    @extend_schema(operation_id="operations_instances", responses=page_of(InstanceSerializer))
    def get(self, request: Request, id: uuid.UUID) -> Response:
        """The instances that came or went during an operation, with the moments of their steps."""
        rows = report.instances(get_operation(self.user, id))
        return answer_page(request, rows, InstanceSerializer, ["generation"])


class InstanceDetail(AppResource):
    @extend_schema(operation_id="instances_get", responses=InstanceSerializer)
    def get(self, request: Request, group: str, app: str, instance: str) -> Response:
        """One instance."""
        return Response(InstanceSerializer(_instance(self.app(), instance)).data)


class InstanceLogs(AppResource):
    query = (TAIL,)

    @extend_schema(
        operation_id="instances_logs",
        responses=LogSerializer,
    )
    def get(self, request: Request, group: str, app: str, instance: str) -> Response:
        """What an instance wrote last."""
        tail = TAIL.of(request.query_params)
        return Response(LogSerializer({"lines": _lines(_instance(self.app(), instance), tail)}).data)


def _instance(app: App, name: str) -> Instance:
    slot, _dash, generation = name.partition("-")
    rows = app.instances.select_related("release", "node")
    found = rows.filter(slot=int(slot), generation=int(generation)).first()
    if found is None:
        raise NotFound
    return found


def _lines(instance: Instance, tail: int) -> list[Any]:
    from scheduler import queries  # loads the engine's client, which most requests do without

    if instance.gone_at is not None:
        return [{"at": None, "stream": None, "text": line} for line in instance.log_tail.splitlines()[-tail:]]
    try:
        return queries.logs(instance.pk, tail=tail)
    except queries.LogsUnavailable as unavailable:
        raise Conflict(str(unavailable), "logs_unavailable") from None
