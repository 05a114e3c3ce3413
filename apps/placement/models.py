"""By what instances are placed: the part of the placement that ops configure."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from apps.fields import validate_name
from apps.groups.models import Group
from scheduler.placement.profiles import FILTER_NAMES, PHYSICS, PRESETS, SCORES, SPREAD, Profile

CUSTOM = "custom"


class PlacementProfile(models.Model):
    """What a group's apps are placed by; without a group, those of all groups that have none of their own.

    A preset is kept by its name alone, so that it is what this version of Berth makes of it.
    """

    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, related_name="placement_profiles")
    preset = models.CharField(max_length=40, blank=True)
    weights = models.JSONField(default=dict, blank=True)
    without = models.JSONField(default=list, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(Coalesce(F("group"), Value(0)), name="one_placement_profile_a_group")]

    def __str__(self) -> str:
        return f"{self.preset or CUSTOM} of {self.group or 'all groups'}"

    @property
    def value(self) -> Profile:
        """The profile as the placement reads it. What this version of Berth does not know of is left out."""
        if self.preset:
            return PRESETS.get(self.preset, SPREAD)
        weights = {name: weight for name, weight in self.weights.items() if name in SCORES}
        return Profile(CUSTOM, weights, frozenset(self.without) & (FILTER_NAMES - PHYSICS))


class RebalancePolicy(models.Model):
    """Whether instances are moved to nodes that suit them better, and how many a minute. One row at most."""

    enabled = models.BooleanField(default=True)
    most = models.PositiveIntegerField(default=10)  # moves that are under way at once, and begun in a minute
    began_at = models.DateTimeField(null=True, blank=True)  # when moves were last begun

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_rebalance_policy")]

    def __str__(self) -> str:
        return f"rebalance, at most {self.most}" if self.enabled else "no rebalance"


class PriorityClass(models.Model):
    """How much an app matters when not all can run: a higher value may displace what has a lower one.

    An app without a class has the value 0 and is not protected.
    """

    name = models.CharField(max_length=40, unique=True, validators=[validate_name])
    value = models.IntegerField()
    protected = models.BooleanField(default=False)  # its instances are never displaced and never moved
    for_all = models.BooleanField(default=True)  # every group may use it; else those of `groups`
    groups = models.ManyToManyField(Group, blank=True, related_name="priority_classes")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-value", "name"]

    def __str__(self) -> str:
        return self.name
