"""Apps, their releases, routes and instances."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.fields import validate_name
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.placement.models import PriorityClass
from scheduler import model
from scheduler.lifecycle import State


class AppStatus(models.TextChoices):
    """`scheduler.model.AppStatus` with a label for each: how an app is, in one word, as the loop last saw it."""

    PENDING = model.AppStatus.PENDING.value, _("pending")
    HEALTHY = model.AppStatus.HEALTHY.value, _("healthy")
    UPDATING = model.AppStatus.UPDATING.value, _("updating")
    DEGRADED = model.AppStatus.DEGRADED.value, _("degraded")
    FAILING = model.AppStatus.FAILING.value, _("failing")
    STOPPED = model.AppStatus.STOPPED.value, _("stopped")
    DELETING = model.AppStatus.DELETING.value, _("deleting")


class App(models.Model):
    """One deployable service of a group.

    Three writers, each with columns of its own: requests write what is desired, the loop what it decided
    (status, generations), and the runner fields say which pass has the app in hand.
    """

    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="apps")
    name = models.CharField(max_length=40, validators=[validate_name])
    created_at = models.DateTimeField(auto_now_add=True)

    # desired
    release = models.ForeignKey("Release", on_delete=models.PROTECT, null=True, related_name="+")
    priority_class = models.ForeignKey(PriorityClass, on_delete=models.PROTECT, null=True, related_name="apps")
    running = models.BooleanField(default=True)
    deleting = models.BooleanField(default=False)
    tcp_port = models.PositiveIntegerField(null=True, blank=True, unique=True)  # of the edges, where it is exposed
    restarts = models.PositiveIntegerField(default=0)  # asked for; each wants new containers of the same release
    promoted_release = models.PositiveIntegerField(null=True, blank=True)  # a canary, to this step of its policy
    promoted_step = models.PositiveSmallIntegerField(default=0)

    # decided
    status = models.CharField(max_length=10, choices=AppStatus.choices, default=AppStatus.PENDING)
    status_reason = models.JSONField(null=True, blank=True)  # scheduler.reasons.Reason as a dict
    last_good = models.ForeignKey("Release", on_delete=models.PROTECT, null=True, related_name="+")
    active = models.CharField(max_length=16, blank=True)  # the template whose instances have the traffic
    active_since = models.DateTimeField(null=True, blank=True)
    # where instances of lower priority make room for it; nothing that matters no more than it is placed there meanwhile
    nominated = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, blank=True, related_name="nominations")
    nominated_at = models.DateTimeField(null=True, blank=True)
    # how far the release has got that is tried on a part of the traffic (scheduler.model.Canary)
    canary_release = models.PositiveIntegerField(null=True, blank=True)
    canary_step = models.PositiveSmallIntegerField(default=0)
    canary_weight = models.PositiveSmallIntegerField(default=0)
    canary_revision = models.BigIntegerField(null=True, blank=True)
    canary_since = models.DateTimeField(null=True, blank=True)
    # what etcd says of it, and since when
    published = models.CharField(max_length=16, blank=True)  # scheduler.discovery.digest
    published_revision = models.BigIntegerField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    next_generation = models.PositiveIntegerField(default=1)
    settled = models.BooleanField(default=False)  # the last pass found nothing left to do or to wait for
    explanation = models.JSONField(null=True, blank=True)  # why instances are pending, from the placement

    # one runner an app: a lease that a dead runner cannot hold for long
    runner = models.CharField(max_length=40, blank=True)
    runner_until = models.DateTimeField(null=True, blank=True)
    again = models.BooleanField(default=False)  # someone asked for a pass while one was running

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["group", "name"], name="app_name_once_a_group")]
        indexes = [models.Index(fields=["id"], condition=Q(settled=False), name="app_unsettled")]

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


class Release(models.Model):
    """An immutable, numbered snapshot of everything an app runs with.

    `spec` is the spec as the API takes and shows it, with the environment's names but not its values: these are in
    `env`, encrypted (`apps.applications.secrets`). `template` says which containers satisfy this release.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    digest = models.CharField(max_length=400)
    env = models.BinaryField()
    template = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    made_from = models.PositiveIntegerField(null=True, blank=True)  # the release that a rollback went back to

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["app", "number"], name="release_number_once_an_app")]

    def __str__(self) -> str:
        return f"{self.app} release {self.number}"


class Route(models.Model):
    """What an app's desired release claims of a host. In a table of its own so that no two apps can have the same.

    A route by several extensions is several rows; one without has an empty `extension`.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="routes")
    host = models.CharField(max_length=253)
    path = models.CharField(max_length=200, default="/")
    extension = models.CharField(max_length=16, blank=True, default="")
    redirect = models.JSONField(null=True, blank=True)  # where it leads instead, as in the spec

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "path", "extension"], name="route_once")]

    def __str__(self) -> str:
        return f"{self.host}{self.path}{f' .{self.extension}' if self.extension else ''}"


class AntiAffinity(models.Model):
    """An app of the same group that an app's desired release keeps apart from.

    In a table of its own because it holds for both: the other one, when it is placed, looks for its name here.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="anti_affinities")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    other = models.CharField(max_length=40)
    label = models.CharField(max_length=63)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "other", "label"], name="anti_affinity_once")]
        indexes = [models.Index(fields=["group", "other"], name="anti_affinity_to")]

    def __str__(self) -> str:
        return f"{self.app} apart from {self.other} at {self.label}"


class Instance(models.Model):
    """One container of a release, in a slot of the app. Written by `scheduler.store` alone.

    The claim (`cpu` … `disk`) is held on the node, and the address in the group's network, until `gone_at`.
    """

    STATES = [(state.value, state.value) for state in State]
    RELOCATE = [(why.value, why.value) for why in model.Relocate]

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="instances")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="instances")
    # None once the node was removed, which only happens when the instance is gone
    node = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, related_name="instances")
    slot = models.PositiveIntegerField()
    generation = models.PositiveIntegerField()
    template = models.CharField(max_length=16)
    address = models.CharField(max_length=39)
    cpu = models.PositiveBigIntegerField()
    memory = models.PositiveBigIntegerField()
    disk = models.PositiveBigIntegerField()
    failures = models.PositiveIntegerField(default=0)  # predecessors in a row that failed in this slot

    state = models.CharField(max_length=10, choices=STATES, default=State.ASSIGNED)
    since = models.DateTimeField()
    reason = models.JSONField(null=True, blank=True)
    failed = models.BooleanField(default=False)  # it went because of a fault of its own
    endpoint_revision = models.BigIntegerField(null=True, blank=True)

    # that another one shall take its place elsewhere: why, by whom, since when, and for which app it makes room
    relocate = models.CharField(max_length=10, choices=RELOCATE, blank=True)
    relocate_by = models.CharField(max_length=150, blank=True)  # a user's name; empty: Berth itself
    relocate_at = models.DateTimeField(null=True, blank=True)
    relocate_for = models.ForeignKey(App, on_delete=models.SET_NULL, null=True, blank=True, related_name="displaced")

    # observed
    container = models.CharField(max_length=64, blank=True)  # the engine's id
    process = models.CharField(max_length=10, default="unknown")
    exit_code = models.IntegerField(null=True, blank=True)
    oom_killed = models.BooleanField(default=False)  # at its memory limit, at least once
    restarts = models.PositiveIntegerField(default=0)  # by the engine itself, of the same container
    healthy_restarts = models.PositiveIntegerField(null=True, blank=True)  # of these, when it first was healthy
    exec_health = models.CharField(max_length=10, default="none")
    drift = models.JSONField(null=True, blank=True)  # a reason; a sentence from before there were any
    probes = models.JSONField(default=dict)  # edge name -> {"up", "since", "detail", "sessions"}
    log_tail = models.TextField(blank=True)  # the last lines before it went, when it failed

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    healthy_at = models.DateTimeField(null=True, blank=True)  # when it first was
    draining_at = models.DateTimeField(null=True, blank=True)  # no new sessions from here on
    withdrawn_at = models.DateTimeField(null=True, blank=True)  # taken out of the edges' configuration
    stopping_at = models.DateTimeField(null=True, blank=True)  # every edge had done so, and it was told to stop
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["slot", "generation"]
        constraints = [
            models.UniqueConstraint(fields=["app", "generation"], name="generation_once_an_app"),
            models.UniqueConstraint(
                fields=["group", "address"], condition=Q(gone_at=None), name="address_once_a_group"
            ),
            models.CheckConstraint(
                condition=Q(node__isnull=False) | Q(gone_at__isnull=False), name="present_instance_has_a_node"
            ),
        ]
        indexes = [
            models.Index(fields=["app"], condition=Q(gone_at=None), name="instance_present"),
            models.Index(fields=["app", "slot", "-generation"], name="instance_by_slot"),
            models.Index(fields=["group", "gone_at"], name="instance_address_freed"),
            models.Index(fields=["relocate"], condition=Q(gone_at=None) & ~Q(relocate=""), name="instance_relocated"),
        ]

    def __str__(self) -> str:
        return f"{self.app} slot {self.slot} generation {self.generation}"

    @property
    def name(self) -> str:
        """Unique within the app: what edges and paths call it."""
        return f"{self.slot}-{self.generation}"
