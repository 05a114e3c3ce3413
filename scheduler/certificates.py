"""Certificates on their way: to the edges, and from the authority that issues them.

Publishing is a projection like any other: all that the database says, whenever anything changed and every few seconds.
An order is a pass of its own, one at a time a certificate:

1. take it in hand, for some minutes, after which another worker may
2. order at the authority, which sets a challenge a host
3. publish the answers, and wait until every live edge gives them
4. have them checked, fetch the chain, keep it
5. take the answers back, and publish the certificate

Whatever goes wrong is recorded with its reason, and it is tried again ever more seldom.
"""

from __future__ import annotations

import time

import structlog
from django.conf import settings

from scheduler import authority, discovery, tls, wake
from scheduler.authority import Authority, AuthorityError
from scheduler.etcd_base import EtcdError, Store
from scheduler.store import certificates as store
from scheduler.store.certificates import NotOrdered, Order
from scheduler.tls import Sealer
from scheduler.world import World

EDGES_WITHIN = 20.0  # seconds that edges may take to answer a challenge

log = structlog.get_logger(__name__)


def publish(etcd: Store) -> None:
    """Make the edges have what the database says, and keep which of it they refuse. The next sweep does what fails."""
    sealer = Sealer(settings.BERTH.edge_keys)
    if not sealer:
        return  # this Berth was never set up to serve any
    try:
        revision = tls.publish(etcd, sealer, store.published())
        edges = discovery.read_edges(etcd)
        # what an edge says that has not applied it all yet may be about an earlier certificate
        current = {edge.name for edge in edges if edge.applied >= revision}
        store.keep_refusals(discovery.read_refusals(etcd), current, {edge.name for edge in edges} - current)
    except EtcdError as error:
        log.warning("certificates_not_published", error=str(error))


def sweep(world: World) -> None:
    publish(world.etcd)
    now = world.now()
    for certificate_id in store.due(now):
        wake.issue(certificate_id)
    if not store.ordering(now):
        _forget_challenges(world.etcd)


def issue(certificate_id: int, world: World) -> None:
    """Order a certificate, if it is its turn and nobody else does."""
    order = store.take(certificate_id, world.now())
    if order is None:
        return
    try:
        key = authority.new_key()
        chain = _ordered(order, key, world)
        store.keep_issued(order, chain, key, world.now())
    except (AuthorityError, NotOrdered, EtcdError) as error:
        log.warning("certificate_not_issued", certificate=order.id, error=str(error))
        try:
            store.keep_failed(order, str(error), world.now())
        except NotOrdered:
            return
    else:
        log.info("certificate_issued", certificate=order.id, hosts=order.hosts)
        publish(world.etcd)


def _ordered(order: Order, key: bytes, world: World) -> str:
    store.check(order)
    berth = settings.BERTH
    account = store.account(berth.acme_directory)
    if account is None:
        store.keep_account(
            berth.acme_directory, *Authority(berth.acme_directory, berth.acme_ca).register(berth.acme_email)
        )
        account = store.account(berth.acme_directory)
    at = Authority(berth.acme_directory, berth.acme_ca, account)
    ordered = at.order(order.hosts, key)
    if ordered.answers:
        _await_edges(world.etcd, tls.challenge(world.etcd, ordered.answers))
    try:
        return at.finish(ordered)
    finally:
        if ordered.answers:
            tls.end_challenge(world.etcd, ordered.answers)


def _await_edges(etcd: Store, revision: int) -> None:
    """Until every live edge has applied the revision: the authority may ask any of them."""
    give_up = time.monotonic() + EDGES_WITHIN
    while True:
        edges = discovery.read_edges(etcd)
        if edges and all(edge.applied >= revision for edge in edges):
            return
        if time.monotonic() > give_up:
            raise NotOrdered("not every edge answers the authority's challenge" if edges else "no edge is there")
        time.sleep(0.1)


def _forget_challenges(etcd: Store) -> None:
    """Those of an order whose worker died."""
    try:
        if left := etcd.keys(tls.CHALLENGES):
            tls.end_challenge(etcd, [key.removeprefix(tls.CHALLENGES) for key in left])
    except EtcdError:
        return
