"""What scores and filters are called, and what they mean, for people."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PRESETS: Mapping[str, tuple[Promise, Promise]] = {
    "spread": (_("Spread"), _("As far apart as it can be, on the emptiest nodes.")),
    "binpack": (_("Pack"), _("On few nodes, and neither CPU nor memory left over.")),
    "balanced": (_("Balanced"), _("Apart, with CPU and memory used up alike on each node.")),
    "fragmentation": (_("Devices whole"), _("Devices are kept usable for what is typically asked of them.")),
}

SCORES: Mapping[str, tuple[Promise, Promise]] = {
    "spread": (_("Apart"), _("Few instances of the same app on a node, and on each label that it spreads over")),
    "room": (_("Emptiest first"), _("The node whose CPU and memory stay freest")),
    "binpack": (_("Fullest first"), _("The node whose CPU and memory are used up most")),
    "balance": (_("Balance"), _("CPU and memory of a node used up alike")),
    "stranded": (_("Nothing stranded"), _("No CPU left over without memory, and the other way round")),
    "fragmentation": (_("Devices usable"), _("What is left of devices still suits what is typically asked for")),
    "prefer": (_("Preferences"), _("What the app prefers, by its weights")),
    "taints": (_("Soft taints"), _("Away from nodes with a soft taint that it does not tolerate")),
    "avoid": (_("Failed here"), _("Away from nodes on which it just failed")),
    "stay": (_("Stay"), _("New instances where the ones that they replace run")),
    "image": (_("Image present"), _("Nodes that have its image already, by the bytes that are to be fetched")),
}

FILTERS: Mapping[str, Promise] = {
    "state": _("State of the node"),
    "resources": _("Free resources"),
    "devices": _("Free devices"),
    "ports": _("Free ports"),
    "volumes": _("Local volumes"),
    "kept": _("Kept for a higher priority"),
    "labels": _("Required labels"),
    "nodes": _("Named nodes"),
    "taints": _("Taints"),
    "at_most": _("At most so many in one place"),
    "distinct_nodes": _("A node for each instance"),
    "skew": _("Maximum skew"),
    "affinity": _("With and apart from apps"),
}

FIGURES: Mapping[str, Promise] = {
    "placed": _("Instances with a node"),
    "pending": _("Instances that no node has room for"),
    "nodes_used": _("Nodes in use"),
    "sharing": _("Instances with another of their app beside them"),
    "fullest": _("Fullest node, percent reserved"),
    "emptiest": _("Emptiest node, percent reserved"),
}
