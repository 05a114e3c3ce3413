"""The sentence of every kind of event, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.reasons import said
from scheduler.reasons import text

MESSAGES: Mapping[str, str] = {
    # people and tokens
    "user.created": gettext_noop("user %(user)s was created"),
    "user.activated": gettext_noop("user %(user)s was activated"),
    "user.deactivated": gettext_noop("user %(user)s was deactivated"),
    "token.created": gettext_noop("API token %(name)s was created"),
    "token.revoked": gettext_noop("API token %(name)s was revoked"),
    "user.password_set": gettext_noop("the password of user %(user)s was set anew"),
    "user.admin_granted": gettext_noop("user %(user)s is an admin now"),
    "user.admin_revoked": gettext_noop("user %(user)s is no admin any more"),
    "user.deleted": gettext_noop("user %(user)s was deleted"),
    "login.paused": gettext_noop(
        "logging in as %(user)s from %(address)s is paused for %(seconds)s s, after %(failures)s failures"
    ),
    # groups
    "group.created": gettext_noop("group %(group)s was created"),
    "group.quota_set": gettext_noop("the quota of group %(group)s was changed"),
    "group.profile_set": gettext_noop("the apps of group %(group)s are placed by the profile %(profile)s now"),
    "group.profile_unset": gettext_noop("the apps of group %(group)s are placed by the profile of the cluster again"),
    "group.deleted": gettext_noop("group %(name)s was deleted"),
    "member.added": gettext_noop("%(user)s joined as %(role)s"),
    "member.changed": gettext_noop("%(user)s is %(role)s now"),
    "member.removed": gettext_noop("%(user)s was removed from the group"),
    # certificates
    "certificate.added": gettext_noop("certificate %(certificate)s was added"),
    "certificate.replaced": gettext_noop("certificate %(certificate)s was replaced"),
    "certificate.changed": gettext_noop("what holds for certificate %(certificate)s was changed"),
    "certificate.deleted": gettext_noop("certificate %(certificate)s was deleted"),
    "certificate.issued": gettext_noop("certificate %(certificate)s was issued"),
    "certificate.refused": gettext_noop("edge %(edge)s refuses certificate %(certificate)s: %(problem)s"),
    "certificate.failed": gettext_noop("certificate %(certificate)s was not issued: %(problem)s"),
    # the cluster
    "priority.created": gettext_noop("priority class %(name)s was made, with the value %(value)s"),
    "priority.changed": gettext_noop("priority class %(name)s was changed; its value is %(value)s"),
    "priority.deleted": gettext_noop("priority class %(name)s was deleted"),
    "cluster.rebalance_set": gettext_noop("when instances are moved to better nodes was changed"),
    "cluster.rebalance_asked": gettext_noop("a rebalancing was asked for"),
    "cluster.profile_set": gettext_noop("apps are placed by the profile %(profile)s now"),
    # nodes
    "node.enrolled": gettext_noop("node %(node)s was enrolled"),
    "node.cordoned": gettext_noop("node %(node)s was cordoned: it takes nothing new"),
    "node.uncordoned": gettext_noop("node %(node)s takes new instances again"),
    "node.draining": gettext_noop("node %(node)s is drained: what it has moves to other nodes"),
    "node.drained": gettext_noop("node %(node)s is empty"),
    "node.drain_ended": gettext_noop("the drain of node %(node)s was ended"),
    "node.labelled": gettext_noop("the labels of node %(node)s were changed"),
    "node.tainted": gettext_noop("the taints of node %(node)s were changed"),
    "node.overcommit_set": gettext_noop("the overcommit of node %(node)s was changed"),
    "node.system_set": gettext_noop("what node %(node)s keeps back for the system was changed"),
    "node.removed": gettext_noop("node %(name)s was removed"),
    "node.abandoned": gettext_noop("node %(name)s was abandoned; containers that may be left on it: %(left)s"),
    "node.reachable": gettext_noop("the engine of node %(node)s answers"),
    "node.unreachable": gettext_noop("the engine of node %(node)s does not answer"),
    "node.refused": gettext_noop("node %(node)s takes nothing: its engine is that of node %(other)s"),
    # what was asked of an app
    "app.created": gettext_noop("app %(app)s was created"),
    "app.deployed": gettext_noop("release %(release)s of %(app)s was asked for"),
    "app.scaled": gettext_noop("%(app)s was scaled from %(before)s to %(replicas)s"),
    "app.rolled_back": gettext_noop("%(app)s goes back to release %(made_from)s, as release %(release)s"),
    "app.canary": gettext_noop("release %(release)s of %(app)s is tried on %(weight)s %% of the traffic"),
    "app.promoted": gettext_noop("release %(release)s of %(app)s was promoted"),
    "app.aborted": gettext_noop("the canary of %(app)s, release %(release)s, was aborted"),
    "app.switched": gettext_noop("the traffic of %(app)s moved to release %(release)s"),
    "app.restarted": gettext_noop("a restart of %(app)s was asked for"),
    "app.stopped": gettext_noop("%(app)s was told to stop"),
    "app.started": gettext_noop("%(app)s was told to start"),
    "app.deleted": gettext_noop("the deletion of %(app)s was asked for"),
    # what the loop did
    "app.placement_pending": gettext_noop("%(app)s waits for room"),
    "instance.assigned": gettext_noop("instance %(slot)s-%(generation)s of %(app)s was placed on %(node)s"),
    "instance.started": gettext_noop("instance %(slot)s-%(generation)s of %(app)s started on %(node)s"),
    "instance.healthy": gettext_noop("instance %(slot)s-%(generation)s of %(app)s is healthy"),
    "instance.relocating": gettext_noop("instance %(slot)s-%(generation)s of %(app)s shall leave %(node)s"),
    "instance.unhealthy": gettext_noop("instance %(slot)s-%(generation)s of %(app)s is unhealthy"),
    "instance.draining": gettext_noop("instance %(slot)s-%(generation)s of %(app)s takes no new sessions"),
    "instance.withdrawn": gettext_noop("instance %(slot)s-%(generation)s of %(app)s leaves the edges"),
    "instance.gone": gettext_noop("instance %(slot)s-%(generation)s of %(app)s is gone"),
    "instance.failed": gettext_noop("instance %(slot)s-%(generation)s of %(app)s failed"),
    "instance.out_of_memory": gettext_noop(
        "instance %(slot)s-%(generation)s of %(app)s ran out of memory: limit %(limit)s"
    ),
    "instance.drifted": gettext_noop("instance %(slot)s-%(generation)s of %(app)s was changed behind Berth's back"),
    "orphan.removed": gettext_noop("a container that belongs to nothing was removed from %(node)s"),
    "app.removed": gettext_noop("%(name)s is gone"),
    # how a change request ended
    "operation.succeeded": gettext_noop("%(operation)s of %(app)s succeeded"),
    "operation.failed": gettext_noop("%(operation)s of %(app)s failed"),
    "operation.rolled_back": gettext_noop("%(operation)s of %(app)s failed and was rolled back"),
    "operation.superseded": gettext_noop("%(operation)s of %(app)s was superseded by a newer change"),
    "operation.cancelled": gettext_noop("%(operation)s of %(app)s was cancelled"),
}


class _Figures(dict[str, str]):
    """A figure that an old row lacks leaves a gap in its sentence, not a broken page."""

    def __missing__(self, key: str) -> str:
        return "…"


def sentence(kind: str, params: Mapping[str, Any], reason: Mapping[str, Any] | None = None) -> str:
    """What happened, and why where that is known, translated. Plain text: pages escape it as any other."""
    happened = _(MESSAGES.get(kind, kind)) % _Figures({name: text(value, _) for name, value in params.items()})
    why = said(reason)
    return f"{happened}: {why}" if why else happened
