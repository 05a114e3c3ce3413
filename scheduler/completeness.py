"""Does etcd hold every app? A new or wiped one does not, and until it does the edges keep what they serve.

Its epoch, which says that it does, begins when nothing is missing any more. What is missing is published by the loop
itself, app by app, so that nobody writes an app's keys beside its one runner.
"""

from __future__ import annotations

from scheduler import discovery, wake
from scheduler.etcd_base import EtcdError, Store
from scheduler.store import sweeping


def check(etcd: Store) -> None:
    """Begin etcd's epoch if every app is there, else wake those that are not. Costs one small read when it has one."""
    try:
        if discovery.is_complete(etcd):
            return
        published = discovery.published_apps(etcd)
        missing = [app_id for names, app_id in sweeping.served_apps().items() if names not in published]
        for app_id in missing:
            wake.reconcile(app_id)
        if not missing:
            discovery.mark_complete(etcd)
    except EtcdError:
        return  # the next check will


def clear(etcd: Store) -> None:
    """Remove the keys of apps that are no more."""
    try:
        published = discovery.published_apps(etcd)  # before the database: an app is there before its keys
        for group, app in published - sweeping.app_names():
            discovery.publish(etcd, group, app, None, ())
    except EtcdError:
        return
