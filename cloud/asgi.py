"""The ASGI application: pages, API and websockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")

pages = get_asgi_application()  # loads Django, which what follows needs

from channels.routing import ProtocolTypeRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402

from apps.operations.waiting import AnswerWhenEnded  # noqa: E402
from apps.panel.routing import websockets  # noqa: E402
from apps.rest.limits import LimitBody  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": LimitBody(AnswerWhenEnded(pages)),
        "websocket": AllowedHostsOriginValidator(CookieMiddleware(websockets)),
    }
)
