"""Profiles: what counts, and how much, when instances are placed. For the whole cluster, or a group of its own.

A change moves nothing that runs. It can be tried before it is made (`trial`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.errors import Conflict, FieldError, Invalid
from apps.events import services as events
from apps.groups.models import Group
from apps.placement.models import CUSTOM, PlacementProfile
from scheduler import wake
from scheduler.placement.profiles import FILTER_NAMES, HEAVIEST, PHYSICS, PRESETS, SCORES, SPREAD, Profile


@dataclass(frozen=True, slots=True)
class Effective:
    """What a group's apps are placed by, and whether the group has that of its own."""

    profile: Profile
    own: bool


def cluster_profile() -> Profile:
    """What the apps of groups without a profile of their own are placed by."""
    row = PlacementProfile.objects.filter(group=None).first()
    return row.value if row else SPREAD


def profile_of(group: Group) -> Effective:
    row = PlacementProfile.objects.filter(group=group).first()
    return Effective(row.value, own=True) if row else Effective(cluster_profile(), own=False)


def parse(preset: str | None, weights: Mapping[str, int] | None, without: Sequence[str] | None) -> Profile:
    """A preset by its name, or a profile of one's own. Raises `Invalid`, which names each wrong field."""
    if errors := list(_wrong(preset, weights, without)):
        raise Invalid(errors)
    if preset:
        return PRESETS[preset]
    fresh = Profile(CUSTOM, dict(weights or {}), frozenset(without or ()))
    return next((known for known in PRESETS.values() if _alike(known, fresh)), fresh)


def set_profile(actor: User | None, group: Group | None, profile: Profile) -> None:
    """Place by this from now on: the group's apps, or those of all groups without a profile of their own."""
    known = profile.name in PRESETS
    columns = {
        "preset": profile.name if known else "",
        "weights": {} if known else dict(profile.weights),
        "without": [] if known else sorted(profile.without),
    }
    with transaction.atomic():
        PlacementProfile.objects.update_or_create(group=group, defaults=columns)
        kind = "group.profile_set" if group else "cluster.profile_set"
        events.record(kind, actor=actor, group=group, profile=profile.name)
        wake.pending()  # a filter that is left out may make room


def unset_profile(actor: User | None, group: Group) -> None:
    """Place the group's apps as the cluster's are; doing it again is no error."""
    with transaction.atomic():
        gone, _by_model = PlacementProfile.objects.filter(group=group).delete()
        if gone:
            events.record("group.profile_unset", actor=actor, group=group)
            wake.pending()


def trial(group: Group | None, profile: Profile) -> dict[str, Any]:
    """How what runs now would be placed by the profile. Changes nothing. Raises `Conflict` when it is too much."""
    from scheduler import queries  # loads the engine's client, which most requests do without

    try:
        return queries.try_profile(group.name if group else None, profile).as_dict()
    except queries.TooMuch as too_much:
        raise Conflict(
            _("%(count)s instances are too many to try a profile on; the most is %(most)s.")
            % {"count": too_much.count, "most": too_much.most},
            "too_many_instances",
        ) from None


def _wrong(
    preset: str | None, weights: Mapping[str, int] | None, without: Sequence[str] | None
) -> Iterator[FieldError]:
    if preset is not None and preset not in PRESETS:
        message = _("This is one of %(choices)s.") % {"choices": ", ".join(PRESETS)}
        yield FieldError("preset", "unknown_preset", message)
    if preset is not None and (weights is not None or without is not None):
        yield FieldError("preset", "not_both", _("Name a preset or say what counts, not both."))
    if preset is None and not any((weights or {}).values()):
        yield FieldError("weights", "required", _("Something has to count: give one score a weight above 0."))
    limits = {"low": 0, "high": HEAVIEST}
    for name, weight in (weights or {}).items():
        if name not in SCORES:
            message = _("There is no such score; there are %(names)s.") % {"names": ", ".join(SCORES)}
            yield FieldError(f"weights.{name}", "unknown_score", message)
        elif not 0 <= weight <= HEAVIEST:
            yield FieldError(f"weights.{name}", "out_of_range", _("This is from %(low)s to %(high)s.") % limits)
    for index, name in enumerate(without or ()):
        if name not in FILTER_NAMES - PHYSICS:
            can = ", ".join(sorted(FILTER_NAMES - PHYSICS))
            message = _("Filters that can be left out are %(names)s.") % {"names": can}
            yield FieldError(f"without[{index}]", "unknown_filter", message)


def _alike(one: Profile, other: Profile) -> bool:
    return _counting(one) == _counting(other) and one.without == other.without


def _counting(profile: Profile) -> dict[str, int]:
    return {name: weight for name, weight in profile.weights.items() if weight}
