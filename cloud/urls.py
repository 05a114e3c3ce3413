"""Every address of the panel and the API."""

urlpatterns: list[object] = []
