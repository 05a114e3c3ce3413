"""The addresses of the panel's pages. A live page's socket has the same address below `/live`."""

from django.urls import include, path, register_converter
from django.views.i18n import set_language

from apps.accounts import pages as accounts
from apps.accounts import user_pages as users
from apps.applications import change_pages
from apps.applications import pages as applications
from apps.applications.placement_pages import PlacementTab
from apps.applications.route_pages import NewRoute, RemoveRoute, RoutePage, RoutesPage, RulesPage
from apps.certificates import pages as certificates
from apps.events import pages as events
from apps.fields import NAME_PATTERN
from apps.groups import pages as groups
from apps.nodes import pages as nodes
from apps.operations import pages as operations
from apps.panel import pages as panel
from apps.placement import pages as placement
from apps.placement import priorities_pages as priorities


class NameConverter:
    """A name of a group, app or node."""

    regex = NAME_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(NameConverter, "called")

app = [
    path("", applications.AppPage.as_view(), name="app"),
    path("releases", applications.ReleasesPage.as_view(), name="releases"),
    path("log", applications.LogPage.as_view(), name="log"),
    path("placement", PlacementTab.as_view(), name="app-placement"),
    path("routes/", RoutesPage.as_view(), name="app-routes"),
    path("routes/new", NewRoute.as_view(), name="new-route"),
    path("routes/rules", RulesPage.as_view(), name="app-rules"),
    path("routes/<int:number>", RoutePage.as_view(), name="route"),
    path("routes/<int:number>/remove", RemoveRoute.as_view(), name="remove-route"),
    path("settings", change_pages.AppSettings.as_view(), name="app-settings"),
    path("scale", change_pages.Scale.as_view(), name="scale"),
    path("start", change_pages.Start.as_view(), name="start"),
    path("stop", change_pages.Stop.as_view(), name="stop"),
    path("restart", change_pages.Restart.as_view(), name="restart"),
    path("rollback", change_pages.Rollback.as_view(), name="rollback"),
    path("delete", change_pages.Delete.as_view(), name="delete"),
]

certificate = [
    path("", certificates.CertificatePage.as_view(), name="certificate"),
    path("renew", certificates.Renew.as_view(), name="renew-certificate"),
    path("https-only", certificates.SetHttpsOnly.as_view(), name="https-only"),
    path("delete", certificates.DeleteCertificate.as_view(), name="delete-certificate"),
]

group = [
    path("", groups.GroupPage.as_view(), name="group"),
    path("members", groups.MembersPage.as_view(), name="members"),
    path("members/remove", groups.RemoveMember.as_view(), name="remove-member"),
    path("quota", groups.QuotaPage.as_view(), name="quota"),
    path("placement", placement.GroupPlacementPage.as_view(), name="group-placement"),
    path("placement/unset", placement.UnsetProfile.as_view(), name="unset-profile"),
    path("delete", groups.DeleteGroup.as_view(), name="delete-group"),
    path("certificates/", certificates.CertificateList.as_view(), name="certificates"),
    path("certificates/new", certificates.NewCertificate.as_view(), name="new-certificate"),
    path("certificates/<called:certificate>/", include(certificate)),
    path("apps/new", change_pages.NewApp.as_view(), name="new-app"),
    path("apps/<called:app>/", include(app)),
]

node = [
    path("", nodes.NodePage.as_view(), name="node"),
    path("settings", nodes.NodeSettings.as_view(), name="node-settings"),
    path("cordon", nodes.Cordon.as_view(), name="cordon"),
    path("uncordon", nodes.Cordon.as_view(cordoned=False), name="uncordon"),
    path("drain", nodes.Drain.as_view(), name="drain"),
    path("drain/end", nodes.EndDrain.as_view(), name="end-drain"),
    path("remove", nodes.RemoveNode.as_view(), name="remove-node"),
    path("abandon", nodes.AbandonNode.as_view(), name="abandon-node"),
]

urlpatterns = [
    path("", panel.Overview.as_view(), name="overview"),
    path("login", accounts.Login.as_view(), name="login"),
    path("logout", accounts.Logout.as_view(), name="logout"),
    path("language", set_language, name="set_language"),
    path("groups/", groups.GroupList.as_view(), name="groups"),
    path("groups/new", groups.NewGroup.as_view(), name="new-group"),
    path("groups/<called:group>/", include(group)),
    path("nodes/", nodes.NodeList.as_view(), name="nodes"),
    path("nodes/new", nodes.EnrolPage.as_view(), name="enrol"),
    path("nodes/<called:node>/", include(node)),
    path("placement/", placement.PlacementPage.as_view(), name="placement"),
    path("placement/rebalance", placement.Rebalance.as_view(), name="rebalance"),
    path("placement/rebalance/policy", placement.SetRebalancePolicy.as_view(), name="rebalance-policy"),
    path("placement/priorities/new", priorities.PriorityPage.as_view(), name="new-priority"),
    path("placement/priorities/<called:priority>", priorities.PriorityPage.as_view(), name="priority"),
    path("placement/priorities/<called:priority>/delete", priorities.DeletePriority.as_view(), name="delete-priority"),
    path("operations/<uuid:operation>", operations.OperationPage.as_view(), name="operation"),
    path("operations/<uuid:operation>/cancel", operations.CancelOperation.as_view(), name="cancel-operation"),
    path("operations/<uuid:operation>/promote", operations.PromoteCanary.as_view(), name="promote-canary"),
    path("operations/<uuid:operation>/abort", operations.AbortCanary.as_view(), name="abort-canary"),
    path("events/", events.EventsPage.as_view(), name="events"),
    path("account/", accounts.AccountPage.as_view(), name="account"),
    path("account/password", accounts.Password.as_view(), name="password"),
    path("account/tokens/<int:token>/revoke", accounts.RevokeToken.as_view(), name="revoke-token"),
    path("users/", users.UsersPage.as_view(), name="users"),
    path("users/<int:user>/", users.UserPage.as_view(), name="user"),
    path("users/<int:user>/activate", users.SetActive.as_view(), name="activate-user"),
    path("users/<int:user>/deactivate", users.SetActive.as_view(active=False), name="deactivate-user"),
    path("users/<int:user>/grant", users.SetAdmin.as_view(), name="grant-admin"),
    path("users/<int:user>/revoke", users.SetAdmin.as_view(admin=False), name="revoke-admin"),
    path("users/<int:user>/delete", users.DeleteUser.as_view(), name="delete-user"),
]
