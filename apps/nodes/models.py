"""Nodes: the Docker Engines that instances run on."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.fields import validate_name
from scheduler.model import Resources
from scheduler.placement.values import Taint, allocatable

USUAL = 100  # percent: nothing is lent out twice


class NodeState(models.TextChoices):
    READY = "ready", _("ready")
    CORDONED = "cordoned", _("cordoned")  # runs what it has, takes nothing new
    DRAINING = "draining", _("draining")  # takes nothing new, and what it has moves to other nodes
    DOWN = "down", _("down")  # its engine does not answer


class Node(models.Model):
    """One Docker Engine. CPU is in thousandths of a core, memory and disk in bytes.

    Ops write `cordoned`, `draining`, labels, taints, the system reserve and the overcommit; the loop writes what
    it observed: capacity, version, `reachable`, `last_seen_at`. `reserved_*` is the sum of the claims of the instances
    placed here and changes only by conditional update (`scheduler.store`).
    """

    name = models.CharField(max_length=40, unique=True, validators=[validate_name])
    engine_url = models.CharField(max_length=200, unique=True)  # unix:///… or tcp://…
    labels = models.JSONField(default=dict, blank=True)
    taints = models.JSONField(default=list, blank=True)  # {"key", "value", "soft"}
    cordoned = models.BooleanField(default=False)
    draining = models.BooleanField(default=False)
    drain_by = models.CharField(max_length=150, blank=True)  # who asked for it
    drain_at = models.DateTimeField(null=True, blank=True)
    drained_at = models.DateTimeField(null=True, blank=True)  # the last instance was gone
    # it joined, came back or ended its drain since the last rebalancing: others may be better off here
    fresh = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # when anything that the placement sees of it last changed, by the database's clock
    changed_at = models.DateTimeField(db_default=Now(), db_index=True)

    engine_id = models.CharField(max_length=100, blank=True)
    engine_version = models.CharField(max_length=60, blank=True)
    reachable = models.BooleanField(default=False)
    problem = models.TextField(blank=True)  # why it is not reachable
    last_seen_at = models.DateTimeField(null=True, blank=True)

    capacity_cpu = models.PositiveBigIntegerField(default=0)
    capacity_memory = models.PositiveBigIntegerField(default=0)
    capacity_disk = models.PositiveBigIntegerField(default=0)
    capacity_instances = models.PositiveBigIntegerField(default=0)
    system_cpu = models.PositiveBigIntegerField(default=0)  # kept back for the system; not placed upon
    system_memory = models.PositiveBigIntegerField(default=0)
    system_disk = models.PositiveBigIntegerField(default=0)
    overcommit_cpu = models.PositiveIntegerField(default=USUAL)  # percent of what is left, that may be reserved
    overcommit_memory = models.PositiveIntegerField(default=USUAL)
    overcommit_disk = models.PositiveIntegerField(default=USUAL)
    reserved_cpu = models.PositiveBigIntegerField(default=0)
    reserved_memory = models.PositiveBigIntegerField(default=0)
    reserved_disk = models.PositiveBigIntegerField(default=0)
    reserved_instances = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> NodeState:
        if not self.reachable:
            return NodeState.DOWN
        if self.draining:
            return NodeState.DRAINING
        return NodeState.CORDONED if self.cordoned else NodeState.READY

    @property
    def capacity(self) -> Resources:
        """What its engine has, the system's share included."""
        return Resources(self.capacity_cpu, self.capacity_memory, self.capacity_disk, self.capacity_instances)

    @property
    def system(self) -> Resources:
        """What is kept back for the system."""
        return Resources(self.system_cpu, self.system_memory, self.system_disk)

    @property
    def overcommit(self) -> dict[str, int]:
        return {"cpu": self.overcommit_cpu, "memory": self.overcommit_memory, "disk": self.overcommit_disk}

    @property
    def allocatable(self) -> Resources:
        """What instances may reserve. A claim decides by the same rule (`scheduler.store.committing`)."""
        return allocatable(self.capacity, self.system, self.overcommit)

    @property
    def reserved(self) -> Resources:
        """What the instances that are placed here have claimed."""
        return Resources(self.reserved_cpu, self.reserved_memory, self.reserved_disk, self.reserved_instances)

    @property
    def kept_off_by(self) -> tuple[Taint, ...]:
        """Its taints, as the placement reads them."""
        return tuple(Taint(taint["key"], taint["value"], taint["soft"]) for taint in self.taints)


class NodeImages(models.Model):
    """The images that a node's engine has, as it last said; kept apart, since only placements read it.

    `sizes` has bytes by the digest that releases name an image by. A node that was never asked has no row.
    """

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True, related_name="images")
    sizes = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{len(self.sizes)} images"
