from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from scheduler import discovery, tls
from scheduler.etcd_fake import FakeEtcd
from scheduler.tls import Certificate, Sealer, Unreadable

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ONE = Certificate("chain and key", ("shop.test",), True)
TWO = Certificate("other chain", ("two.test",))


def test_what_is_sealed_can_be_opened_and_shows_nothing() -> None:
    text = Sealer([OLD]).seal(ONE)
    assert Sealer([OLD]).open(text) == ONE
    assert "chain" not in text
    assert "chain" not in repr(ONE)


def test_the_newest_key_seals_and_any_opens() -> None:
    both = Sealer([NEW, OLD])
    assert both.open(Sealer([OLD]).seal(ONE)) == ONE
    assert Sealer([NEW]).open(both.seal(ONE)) == ONE
    with pytest.raises(Unreadable, match="BERTH_EDGE_KEYS"):
        Sealer([OLD]).open(both.seal(ONE))


@pytest.mark.parametrize("text", ["", "no token", "é", Fernet(OLD).encrypt(b"[]").decode()])
def test_what_is_no_certificate_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        Sealer([OLD]).open(text)


def test_keys_come_from_the_environment_or_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "keys").write_text(f"{NEW},{OLD}\n")
    assert tls.keys_from({"BERTH_EDGE_KEYS_FILE": str(tmp_path / "keys")}) == (NEW, OLD)
    assert tls.keys_from({"BERTH_EDGE_KEYS": NEW}) == (NEW,)
    assert tls.keys_from({}) == ()
    with pytest.raises(ValueError, match="Fernet"):
        Sealer(["short"])


def test_etcd_holds_what_is_published_and_nothing_else_of_it() -> None:
    etcd, sealer = FakeEtcd(), Sealer([OLD])
    etcd.write({"apps/team/shop/config": "{}"})
    first = tls.publish(etcd, sealer, {"team.one": ONE, "team.two": TWO})
    found = etcd.read(tls.CERTIFICATES).values
    assert {key: sealer.open(text) for key, text in found.items()} == {
        "apps/_certificates/team.one": ONE,
        "apps/_certificates/team.two": TWO,
    }
    assert tls.publish(etcd, sealer, {"team.one": ONE, "team.two": TWO}) == first, "nothing is written twice"
    assert tls.publish(etcd, sealer, {"team.two": TWO}) > first
    assert set(etcd.read("apps/").values) == {
        "apps/_clock",
        "apps/_certified",
        "apps/_certificates/team.two",
        "apps/team/shop/config",
    }
    assert discovery.published_apps(etcd) == {("team", "shop")}


def test_another_key_in_front_seals_everything_anew() -> None:
    etcd = FakeEtcd()
    before = tls.publish(etcd, Sealer([OLD]), {"team.one": ONE})
    assert tls.publish(etcd, Sealer([NEW, OLD]), {"team.one": ONE}) > before
    assert Sealer([NEW]).open(etcd.read(tls.CERTIFICATES).values["apps/_certificates/team.one"]) == ONE


def test_challenges_come_and_go_with_the_clock() -> None:
    etcd = FakeEtcd()
    revision = tls.challenge(etcd, {"tok": "tok.key"})
    found = etcd.read(discovery.CLOCK, tls.CHALLENGES)
    assert found.written == revision
    assert found.values["apps/_challenges/tok"] == "tok.key"
    tls.end_challenge(etcd, ["tok"])
    assert etcd.keys(tls.CHALLENGES) == frozenset()
