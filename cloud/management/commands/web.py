"""Serve the panel and the API: one uvicorn process."""

from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        uvicorn.run(
            "cloud.asgi:application",
            host=settings.BERTH.bind,
            port=settings.BERTH.port,
            lifespan="off",
            # whose X-Forwarded-For and -Proto say who asks, and whether encrypted
            forwarded_allow_ips=["127.0.0.1", "::1", *settings.BERTH.trusted_proxies],
            log_config=None,  # cloud.logs has configured logging
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
