"""Every address of the panel and the API."""

from django.urls import include, path, re_path

from apps.rest import metrics
from apps.rest.views import Unknown

handler400 = "apps.rest.problems.bad_request"
handler500 = "apps.rest.problems.server_error"

urlpatterns = [
    path("api/v1/", include("apps.rest.urls")),
    re_path(r"^api(/|$)", Unknown.as_view()),
    path("metrics", metrics.metrics, name="metrics"),
    path("healthz", metrics.healthz, name="healthz"),
    path("", include("apps.panel.urls")),
]
