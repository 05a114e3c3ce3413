"""The addresses of the panel's websockets."""

from channels.routing import URLRouter
from django.urls import re_path

from apps.panel.consumers import PageConsumer
from apps.panel.logs import LogConsumer
from apps.panel.page import LIVE
from apps.panel.sockets import Nowhere

_APP = r"groups/(?P<group>[a-z0-9-]+)/apps/(?P<app>[a-z0-9-]+)"
_INSTANCE = r"instances/(?P<slot>[0-9]{1,9})-(?P<generation>[0-9]{1,9})"

websockets = URLRouter(
    [
        re_path(rf"^{LIVE[1:]}/{_APP}/{_INSTANCE}/log$", LogConsumer.as_asgi()),
        re_path(rf"^{LIVE[1:]}/(?P<path>.*)$", PageConsumer.as_asgi()),
        re_path("", Nowhere.as_asgi()),
    ]
)
