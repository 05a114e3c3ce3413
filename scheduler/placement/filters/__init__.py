"""The hard constraints: a node takes an instance when none of these refuses it."""

from collections.abc import Sequence

from scheduler.placement.filters.affinity import AffinityFilter
from scheduler.placement.filters.at_most import AtMostFilter
from scheduler.placement.filters.base import Check, CountFilter, DomainFilter, Filter
from scheduler.placement.filters.devices import DeviceFilter
from scheduler.placement.filters.kept import KeptFilter
from scheduler.placement.filters.labels import LabelFilter
from scheduler.placement.filters.names import NameFilter
from scheduler.placement.filters.ports import PortFilter
from scheduler.placement.filters.resources import ResourcesFilter
from scheduler.placement.filters.skew import SkewFilter
from scheduler.placement.filters.state import StateFilter
from scheduler.placement.filters.taints import TaintFilter
from scheduler.placement.filters.volumes import VolumeFilter

FILTERS: Sequence[type[Filter]] = (
    StateFilter,
    ResourcesFilter,
    KeptFilter,
    LabelFilter,
    NameFilter,
    TaintFilter,
    VolumeFilter,
    PortFilter,
    DeviceFilter,
    AtMostFilter,
    SkewFilter,
    AffinityFilter,
)

WISHES: Sequence[type[Filter]] = (
    LabelFilter,
    NameFilter,
    VolumeFilter,
    DeviceFilter,
    AtMostFilter,
    SkewFilter,
    AffinityFilter,
)
"""Those whose constraints can be preferences too."""

__all__ = ["FILTERS", "WISHES", "Check", "CountFilter", "DomainFilter", "Filter"]
