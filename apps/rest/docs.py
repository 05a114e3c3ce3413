"""/api/v1/docs: the description of the API to read and to try, from assets that Berth itself serves."""

from __future__ import annotations

from django.contrib.auth.mixins import LoginRequiredMixin
from django.views.generic import TemplateView


class Docs(LoginRequiredMixin, TemplateView):
    """Swagger UI; its requests carry the session of whoever reads, and a CSRF token where they change something."""

    template_name = "rest/docs.html"
