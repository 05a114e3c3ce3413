"""Every address below /api/v1."""

from __future__ import annotations

from django.urls import path, re_path, register_converter
from drf_spectacular.views import SpectacularAPIView

from apps.accounts import api as accounts
from apps.applications import api as applications
from apps.applications.placement_api import Placement
from apps.applications.traffic_api import Traffic
from apps.certificates import api as certificates
from apps.events import api as events
from apps.fields import NAME_PATTERN
from apps.groups import api as groups
from apps.nodes import api as nodes
from apps.nodes import drains_api as drains
from apps.nodes import lost_api as lost
from apps.operations import api as operations
from apps.operations import canary_api as canaries
from apps.placement import api as placement
from apps.placement import priorities_api as priorities
from apps.placement import rebalancing_api as rebalancing
from apps.rest.docs import Docs
from apps.rest.views import Unknown


class _Text:
    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return str(value)


class NameConverter(_Text):
    regex = NAME_PATTERN


class UsernameConverter(_Text):
    regex = r"[\w.@+-]{1,150}"


class InstanceConverter(_Text):
    regex = "[0-9]{1,9}-[0-9]{1,9}"


class NumberConverter:
    """Numbers that every database can count with."""

    regex = "[0-9]{1,9}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(NameConverter, "name")
register_converter(UsernameConverter, "username")
register_converter(InstanceConverter, "instance")
register_converter(NumberConverter, "number")

GROUP = "groups/<name:group>"
APP = f"{GROUP}/apps/<name:app>"
CERTIFICATE = f"{GROUP}/certificates/<name:certificate>"

app_name = "api"
urlpatterns = [
    path("me", accounts.Me.as_view(), name="me"),
    path("tokens", accounts.Tokens.as_view(), name="tokens"),
    path("tokens/<number:token>", accounts.Token.as_view(), name="token"),
    path("users", accounts.Users.as_view(), name="users"),
    path("users/<username:username>", accounts.UserDetail.as_view(), name="user"),
    path("groups", groups.Groups.as_view(), name="groups"),
    path(GROUP, groups.GroupDetail.as_view(), name="group"),
    path(f"{GROUP}/quota", groups.GroupQuota.as_view(), name="quota"),
    path(f"{GROUP}/members", groups.Members.as_view(), name="members"),
    path(f"{GROUP}/members/<username:username>", groups.Member.as_view(), name="member"),
    path(f"{GROUP}/apps", applications.Apps.as_view(), name="apps"),
    path(APP, applications.AppDetail.as_view(), name="app"),
    path(f"{APP}/releases", applications.Releases.as_view(), name="releases"),
    path(f"{APP}/releases/<number:number>", applications.ReleaseDetail.as_view(), name="release"),
    path(f"{APP}/rollback", applications.Rollback.as_view(), name="rollback"),
    path(f"{APP}/scale", applications.Scale.as_view(), name="scale"),
    path(f"{APP}/restart", applications.Restart.as_view(), name="restart"),
    path(f"{APP}/stop", applications.Stop.as_view(), name="stop"),
    path(f"{APP}/start", applications.Start.as_view(), name="start"),
    path(f"{APP}/placement", Placement.as_view(), name="placement"),
    path(f"{APP}/traffic", Traffic.as_view(), name="traffic"),
    path(f"{APP}/instances", applications.Instances.as_view(), name="instances"),
    path(f"{APP}/instances/<instance:instance>", applications.InstanceDetail.as_view(), name="instance"),
    path(f"{APP}/instances/<instance:instance>/logs", applications.InstanceLogs.as_view(), name="logs"),
    path(f"{GROUP}/certificates", certificates.Certificates.as_view(), name="certificates"),
    path(CERTIFICATE, certificates.CertificateDetail.as_view(), name="certificate"),
    path(f"{CERTIFICATE}/renew", certificates.Renewal.as_view(), name="renew-certificate"),
    path(f"{GROUP}/placement/profile", placement.GroupProfile.as_view(), name="group-profile"),
    path("placement/profile", placement.ClusterProfile.as_view(), name="profile"),
    path("placement/choices", placement.Choices.as_view(), name="choices"),
    path("placement/rebalance", rebalancing.Rebalance.as_view(), name="rebalance"),
    path("priorities", priorities.Priorities.as_view(), name="priorities"),
    path("priorities/<name:priority>", priorities.PriorityDetail.as_view(), name="priority"),
    path("nodes", nodes.Nodes.as_view(), name="nodes"),
    path("nodes/<name:node>", nodes.NodeDetail.as_view(), name="node"),
    path("nodes/<name:node>/drain", drains.Drain.as_view(), name="drain"),
    path("nodes/<name:node>/abandon", lost.Abandon.as_view(), name="abandon"),
    path("operations", operations.Operations.as_view(), name="operations"),
    path("operations/<uuid:id>", operations.OperationDetail.as_view(), name="operation"),
    path("operations/<uuid:id>/instances", applications.OperationInstances.as_view(), name="operation-instances"),
    path("operations/<uuid:id>/cancel", operations.OperationCancel.as_view(), name="cancel"),
    path("operations/<uuid:id>/promote", canaries.Promote.as_view(), name="promote"),
    path("operations/<uuid:id>/abort", canaries.Abort.as_view(), name="abort"),
    path("events", events.Events.as_view(), name="events"),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="docs"),
    re_path(r"", Unknown.as_view()),
]
