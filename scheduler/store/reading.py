"""Rows -> the values that the loop decides from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.applications import models as tables
from apps.applications import secrets
from apps.applications.spec import as_spec
from apps.operations.models import ACTIVE
from apps.operations.models import Operation as OperationRow
from apps.placement.models import PlacementProfile, PriorityClass
from scheduler.diff.draft import failures_after
from scheduler.discovery import AppConfig
from scheduler.engine import base as engine
from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec
from scheduler.lifecycle import State
from scheduler.model import (
    AppState,
    Canary,
    Edge,
    Endpoint,
    ExecHealth,
    Failures,
    Instance,
    Operation,
    OperationKind,
    Probe,
    Process,
    Release,
    Relocate,
    Resources,
    Spec,
    Strategy,
    restarted,
)
from scheduler.placement import SPREAD, Affinity, Bond, Constraints, Profile, Request
from scheduler.reasons import Reason, because, restored
from scheduler.routing import Split

NOMINATION = timedelta(minutes=2)  # that a node is kept for an app; longer than instances take to leave


def names(app_id: int) -> tuple[str, str] | None:
    """Group and name of an app, None when there is none."""
    return tables.App.objects.filter(id=app_id).values_list("group__name", "name").first()


def app_state(app_id: int, edges: Collection[Edge], probes: Mapping[str, Collection[Probe]]) -> AppState | None:
    """One app as it stands: desired and recorded from its rows, what the edges see from the arguments.

    `probes` is by instance name. None: there is no such app, or it has no release yet.
    """
    # the operation first: what it asked for was committed with it, so the app is read with that or with something newer
    operation = OperationRow.objects.filter(app_id=app_id, status__in=ACTIVE).first()
    app = tables.App.objects.select_related("group", "release", "last_good", "nominated").filter(id=app_id).first()
    if app is None or app.release is None:
        return None
    wanted = release(app.release, app.restarts)
    good = release(app.last_good, app.restarts) if app.last_good else None
    present = tables.Instance.objects.filter(app=app, gone_at=None).select_related("release", "node")
    return AppState(
        id=app.id,
        group=app.group.name,
        name=app.name,
        running=app.running,
        deleting=app.deleting,
        release=wanted,
        last_good=good,
        next_generation=app.next_generation,
        instances=tuple(instance(row, probes.get(row.name, ())) for row in present),
        failures=_failures(app, wanted.template),
        edges=tuple(edges),
        operation=_operation(operation) if operation else None,
        pending=app.explanation is not None,
        active=app.active,
        active_since=app.active_since,
        nominated=app.nominated.name if app.nominated else "",
        stable_failures=_failures(app, good.template) if good and app.canary_release else {},
        canary=_canary(app),
        promoted=app.promoted_step if app.promoted_release == wanted.number else 0,
        published_revision=app.published_revision,
        published_at=app.published_at,
    )


def _canary(app: tables.App) -> Canary | None:
    if app.canary_release is None:
        return None
    return Canary(app.canary_release, app.canary_step, app.canary_weight, app.canary_revision, app.canary_since)


def release(row: tables.Release, restarts: int) -> Release:
    return Release(row.number, restarted(row.template, restarts), as_spec(row.spec, row.digest))


def _operation(row: OperationRow) -> Operation:
    return Operation(str(row.id), OperationKind(row.kind), row.started_at or row.created_at)


def instance(row: tables.Instance, probes: Collection[Probe]) -> Instance:
    return Instance(
        id=row.id,
        slot=row.slot,
        generation=row.generation,
        release=row.release.number,
        template=row.template,
        state=State(row.state),
        since=row.since,
        node=row.node.name,
        reachable=row.node.reachable,
        address=row.address,
        claim=Resources(row.cpu, row.memory, row.disk, 1),
        failures=row.failures,
        crashes=row.restarts - row.healthy_restarts if row.healthy_restarts is not None else 0,
        created_at=row.created_at,
        started_at=row.started_at,
        healthy_at=row.healthy_at,
        process=Process(row.process),
        exit_code=row.exit_code,
        oom_killed=row.oom_killed,
        exec_health=ExecHealth(row.exec_health),
        drift=restored(row.drift),
        probes=tuple(probes),
        endpoint_revision=row.endpoint_revision,
        relocate=Relocate(row.relocate) if row.relocate else None,
        reason=Reason.from_dict(row.reason) if row.reason else None,
    )


def _failures(app: tables.App, template: str) -> dict[int, Failures]:
    """The slots whose newest instance of the wanted template failed, and how often in a row they did.

    One that was withdrawn before it ever ran, because its address was taken or its node was lost, says nothing.
    """
    untried = Q(started_at=None, failed=False, state__in=[state for state in State if state.going])
    ours = tables.Instance.objects.filter(app=app, template=template).exclude(untried)
    newest = ours.order_by().values("slot").annotate(newest=Max("generation")).values("newest")
    failed = ours.filter(failed=True, generation__in=newest)
    return {
        row.slot: Failures(
            failures_after(row.failures, row.healthy_at, row.gone_at or row.since),
            row.since,
            row.generation,
            Reason.from_dict(row.reason) if row.reason else because("missing"),
        )
        for row in failed
    }


def replacing(app: AppState, slots: Collection[int]) -> Request:
    """What is asked of the placement for a new instance in each of these slots.

    Rather where the ones that they replace run, unless these shall leave; and where the one before failed only as a
    last resort. Not where room is being made for what matters as much or more.
    """
    replaced = [instance for instance in app.instances if instance.slot in slots and not instance.state.going]
    failed = [app.failures[slot].generation for slot in slots if slot in app.failures]
    left = {instance.node for instance in replaced if instance.relocate}
    avoid = (_nodes_of(app.id, failed) if failed else frozenset()) | left
    asked = request(app.group, app.name, app.release.spec, len(slots))
    stay = frozenset(instance.node for instance in replaced) - avoid
    return replace(asked, stay=stay, avoid=avoid, kept=kept_from(app.id, asked.priority))


def kept_from(app_id: int, priority: int) -> frozenset[str]:
    """The nodes on which room is being made for an app that matters as much as this one, or more."""
    since = timezone.now() - NOMINATION
    rows = tables.App.objects.filter(nominated__isnull=False, nominated_at__gt=since).exclude(id=app_id)
    worth = Coalesce(F("priority_class__value"), 0)
    return frozenset(rows.annotate(worth=worth).filter(worth__gte=priority).values_list("nominated__name", flat=True))


def _nodes_of(app_id: int, generations: Collection[int]) -> frozenset[str]:
    rows = tables.Instance.objects.filter(app=app_id, generation__in=generations, node__isnull=False)
    return frozenset(rows.values_list("node__name", flat=True))


def request(group: str, app: str, spec: Spec, count: int) -> Request:
    """What is asked of the placement for so many more instances of an app."""
    others = keeping_apart([group], app).get((group, app), ())
    return request_of(group, app, spec, count, others, _worth(spec.priority))


def request_of(group: str, app: str, spec: Spec, count: int, others: tuple[Affinity, ...], priority: int) -> Request:
    """The same, from what is known: `others` is what other apps' anti-affinities to this one ask of it."""
    constraints = _in_group(spec.constraints or Constraints(), group)
    return Request(
        app=f"{group}/{app}",
        group=group,
        resources=spec.resources,
        count=count,
        rules=spec.placement,
        image=spec.digest,
        constraints=replace(constraints, affinities=(*constraints.affinities, *others)),
        preferences=tuple(replace(one, constraints=_in_group(one.constraints, group)) for one in spec.preferences),
        priority=priority,
    )


def _worth(priority: str) -> int:
    """The value of a priority class; 0 for none."""
    found = PriorityClass.objects.filter(name=priority).values_list("value", flat=True).first() if priority else None
    return found or 0


def _in_group(constraints: Constraints, group: str) -> Constraints:
    """The constraints with apps named as the placement knows them."""
    affinities = tuple(replace(one, app=f"{group}/{one.app}") for one in constraints.affinities)
    return replace(constraints, affinities=affinities)


def keeping_apart(
    groups: Collection[str] | None, app: str | None = None
) -> Mapping[tuple[str, str], tuple[Affinity, ...]]:
    """By group and app, what other apps' anti-affinities to it ask of it. None: of all groups, of all apps."""
    rows = tables.AntiAffinity.objects.order_by("app__name", "label")
    if groups is not None:
        rows = rows.filter(group__name__in=groups)
    if app is not None:
        rows = rows.filter(other=app)
    found: dict[tuple[str, str], tuple[Affinity, ...]] = {}
    for group, other, name, label in rows.values_list("group__name", "other", "app__name", "label"):
        affinity = Affinity(Bond.APART, f"{group}/{name}", label)
        found[group, other] = (*found.get((group, other), ()), affinity)
    return found


def profile(group: str) -> Profile:
    """What the group's instances are placed by: its own profile, else the cluster's."""
    rows = PlacementProfile.objects.filter(Q(group__name=group) | Q(group=None))
    found = rows.order_by(F("group").asc(nulls_last=True)).first()
    return found.value if found else SPREAD


def network_spec(group: str) -> NetworkSpec:
    row = tables.Group.objects.get(name=group)
    labels = Labels(settings.BERTH_INSTALLATION, group)
    return NetworkSpec(labels, network_name(group), row.subnet)


def network_name(group: str) -> str:
    return engine.network_name(settings.BERTH_INSTALLATION, group)


def launches(app: AppState) -> list[tuple[Instance, ContainerSpec]]:
    """The app's instances that wait for their containers, and what these are made of, environment decrypted."""
    rows = tables.Instance.objects.filter(app_id=app.id, state=State.ASSIGNED).select_related("release", "node")
    specs = _specs(rows)
    return [(instance(row, ()), _container_spec(app, row, specs[row.release_id])) for row in rows]


def _specs(rows: Iterable[tables.Instance]) -> dict[int, Spec]:
    """What each release of these instances is, by its id: most have one of a few."""
    releases = {row.release_id: row.release for row in rows}
    return {number: as_spec(release.spec, release.digest) for number, release in releases.items()}


def _container_spec(app: AppState, row: tables.Instance, spec: Spec) -> ContainerSpec:
    network = network_name(app.group)
    return ContainerSpec(
        labels=Labels(
            installation=settings.BERTH_INSTALLATION,
            group=app.group,
            app=app.name,
            app_id=app.id,
            slot=row.slot,
            generation=row.generation,
            release=row.release.number,
            template=row.template,
        ),
        digest=row.release.digest,
        command=spec.command,
        env=secrets.decrypt(row.release.env),
        network=network,
        address=row.address,
        aliases=(app.name,),
        resources=Resources(row.cpu, row.memory, row.disk, 1),
        mounts=tuple((f"{network}.{mount.volume}", mount.path, mount.read_only) for mount in spec.mounts),
        health_command=spec.health.command,
        health_interval=spec.health.interval,
        health_timeout=spec.health.timeout,
        health_failures=spec.health.failures,
        health_grace=spec.health.grace,
        stop_signal=spec.update.stop_signal or "",
        stop_timeout=spec.update.stop_timeout,
    )


def container_name(app: AppState, instance: Instance) -> str:
    labels = Labels(settings.BERTH_INSTALLATION, app.group, app.name, app.id, instance.slot, instance.generation)
    return labels.container_name


def published(app_id: int) -> tuple[AppConfig | None, list[Endpoint], list[int]]:
    """What etcd has to say of the app: its configuration (None: nothing any more) and its endpoints.

    Third, the instances on their way out for which it is not known yet since which revision it says so.
    """
    app = tables.App.objects.select_related("release").get(id=app_id)
    rows = list(tables.Instance.objects.filter(app=app, gone_at=None).select_related("release"))
    if app.release is None or (app.deleting and not rows):
        return None, [], []
    spec = as_spec(app.release.spec, app.release.digest)
    tried = _tried(app, rows)
    strategy = spec.update.strategy
    staying = {row.template for row in rows if not State(row.state).going}
    standby = {row.id for row in rows if strategy.apart(row.template, app.active, staying)} - tried
    surge = spec.replicas if strategy is Strategy.CANARY else spec.update.max_surge
    config = AppConfig(
        protocol=spec.protocol,
        port=spec.port,
        health=spec.health,
        routes=spec.routes,
        slots=spec.replicas + surge,
        http=spec.http,
        cookie_key=secrets.cookie_key(app.id, app.active if strategy.switches else "") if spec.http.sticky else "",
        tcp_port=app.tcp_port or 0,
        canary=_split(spec, app.canary_weight if tried else 0),
    )
    shown = (State.STARTED, State.HEALTHY, State.UNHEALTHY, State.DRAINING)
    specs = _specs(rows)
    endpoints = [
        Endpoint(
            row.name,
            row.address,
            specs[row.release_id].port,
            row.state == State.DRAINING or row.id in standby,
            specs[row.release_id].health.path or "",
            row.release.number,
            canary=row.id in tried and row.state != State.DRAINING,
            standby=row.id in standby and row.state != State.DRAINING,
        )
        for row in rows
        if row.state in shown
    ]
    leaving = [
        row.id for row in rows if row.state in (State.DRAINING, State.WITHDRAWN) and row.endpoint_revision is None
    ]
    return config, endpoints, leaving


def _tried(app: tables.App, rows: Iterable[tables.Instance]) -> set[int]:
    """The instances that get a share of the traffic and no more, because their release is tried."""
    if app.release is None or app.canary_release != app.release.number:
        return set()
    template = restarted(app.release.template, app.restarts)
    return {row.id for row in rows if row.template == template}


def _split(spec: Spec, weight: int) -> Split | None:
    """How the edges divide the traffic; None where an app's releases are never tried."""
    policy = spec.update.canary
    return Split(weight, policy.header, policy.cookie) if spec.update.strategy is Strategy.CANARY else None


def container_of(instance_id: int) -> tuple[str, str] | None:
    """Node and container id of an instance that has a container."""
    rows = tables.Instance.objects.filter(id=instance_id, gone_at=None).exclude(container="")
    return rows.values_list("node__name", "container").first()
