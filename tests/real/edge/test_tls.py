from __future__ import annotations

import http.client
import os
import threading
from collections import Counter

import pytest

from scheduler import discovery, tls
from scheduler.tls import Certificate, Sealer
from tests.certificates import Made, make, new_key, shown, trusting_nobody
from tests.real.edge.conftest import Bench, config, endpoint
from tests.services import EDGE_KEY, wait_until

AUTHORIZATION = "tok-en_1." + "a" * 43


def of(made: Made, *hosts: str, https_only: bool = False) -> Certificate:
    return Certificate(made.pem, hosts, https_only)


def publish(bench: Bench, **certificates: Certificate) -> int:
    wanted = {f"team.{name}": each for name, each in certificates.items()}
    revision = tls.publish(bench.etcd, Sealer([EDGE_KEY]), wanted)
    bench.applied(revision)
    return revision


def serial(bench: Bench, host: str) -> int:
    return shown(bench.agent.https_port, host)[0].serial_number


def secure(bench: Bench, host: str, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPSConnection("127.0.0.1", bench.agent.https_port, context=trusting_nobody(), timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def refused(bench: Bench) -> int:
    return bench.logged("certificate_refused")


def test_each_name_is_shown_its_own_certificate_and_any_other_the_default(bench: Bench) -> None:
    one, two = make("one.test"), make("two.test", "www.two.test", key=new_key(rsa_bits=2048))
    publish(bench, one=of(one, "one.test"), two=of(two, "two.test", "www.two.test"))
    assert serial(bench, "one.test") == one.serial
    assert serial(bench, "two.test") == serial(bench, "www.two.test") == two.serial
    assert "No certificate" in shown(bench.agent.https_port, "other.test")[0].subject.rfc4514_string()
    publish(bench, two=of(two, "two.test"))
    assert serial(bench, "one.test") not in (one.serial, two.serial)
    assert serial(bench, "www.two.test") not in (one.serial, two.serial)


def test_a_certificate_serves_the_hosts_it_is_published_for_and_no_others_it_may_name(bench: Bench) -> None:
    made = make("*.example.test")
    publish(bench, wild=of(made, "mine.example.test"))
    assert serial(bench, "mine.example.test") == made.serial
    assert serial(bench, "theirs.example.test") != made.serial


def test_clients_that_can_speak_http2(bench: Bench) -> None:
    publish(bench, one=of(make("one.test"), "one.test"))
    port = bench.agent.https_port
    assert shown(port, "one.test", "h2", "http/1.1")[1] == "h2"
    assert shown(port, "one.test", "http/1.1")[1] == "http/1.1"
    assert shown(port, "one.test")[1] is None


def test_an_app_learns_that_its_request_was_encrypted(bench: Bench) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    bench.answers("shop.test", (200, "one"))
    assert server.headers["X-Forwarded-Proto"] == "http"
    assert secure(bench, "shop.test") == (200, "one")
    assert server.headers["X-Forwarded-Proto"] == "https"


def test_requests_in_the_clear_are_sent_to_https_where_that_is_wanted(bench: Bench) -> None:
    bench.publish("shop", config("shop.test", "open.test"), endpoint("0-1", bench.server("one")))
    bench.answers("open.test", (200, "one"))
    publish(bench, shop=of(make("shop.test"), "shop.test", https_only=True))

    def location(host: str) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", bench.agent.port, timeout=30)
        connection.request("POST", "/a/b?c=d", headers={"Host": host})
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.getheader("Location")

    assert location(f"Shop.test:{bench.agent.port}") == (308, f"https://shop.test:{bench.agent.https_port}/a/b?c=d")
    assert location("shop.test") == (308, "https://shop.test/a/b?c=d"), "behind something that has the usual ports"
    assert bench.get("open.test") == (200, "one")
    assert secure(bench, "shop.test") == (200, "one")


def test_a_renewed_certificate_is_served_without_a_reload_and_without_a_failed_request(bench: Bench) -> None:
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    bench.answers("shop.test", (200, "one"))
    publish(bench, shop=of(make("shop.test"), "shop.test"))
    before, workers = bench.logged("certificates_served"), bench.agent.haproxies()
    answers: Counter[str] = Counter()
    seen: set[int] = set()
    ended = threading.Event()

    def ask(keep: bool) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not ended.is_set():
            try:
                connection = connection or http.client.HTTPSConnection(
                    "127.0.0.1", bench.agent.https_port, context=trusting_nobody(), timeout=30
                )
                connection.request("GET", "/", headers={"Host": "shop.test"})
                answers[str(connection.getresponse().read())] += 1
            except (OSError, http.client.HTTPException) as error:
                answers[repr(error)] += 1
                keep = False
            if not keep and connection is not None:
                connection.close()
                connection = None
            ended.wait(0.005)

    clients = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(5):
            made = make("shop.test")
            publish(bench, shop=of(made, "shop.test"))
            assert serial(bench, "shop.test") == made.serial
            seen.add(made.serial)
            done = answers.total()
            wait_until(lambda done=done: answers.total() > done + 20, "requests go on")  # type: ignore[misc]
    finally:
        ended.set()
        for client in clients:
            client.join(30)
    assert len(seen) == 5
    assert set(answers) == {"b'one'"}, answers
    assert bench.logged("certificates_served") == before
    assert bench.agent.haproxies() == workers


def test_more_certificates_cost_no_request_either(bench: Bench) -> None:
    bench.publish("shop", config("shop.test"), endpoint("0-1", bench.server("one")))
    bench.answers("shop.test", (200, "one"))
    certificates = {}
    with bench.load("shop.test") as load:
        for number in range(5):
            certificates[f"c{number}"] = of(make(f"h{number}.test"), f"h{number}.test")
            publish(bench, **certificates)
            done = load.done
            wait_until(lambda done=done: load.done > done + 20, "requests go on")  # type: ignore[misc]
    assert set(load.answers) == {"200"}, load.answers


def test_what_haproxy_or_the_grammar_refuses_leaves_what_was_served(bench: Bench) -> None:
    good, other = make("shop.test"), make("other.test")
    publish(bench, shop=of(good, "shop.test"))
    for number, wrong in enumerate(
        (
            Certificate(good.certificate + other.key, ("shop.test",)),  # its key is another's
            Certificate(good.pem + "\nshow info\n", ("shop.test",)),
            Certificate(good.pem, ("shop.test\nother.pem *",)),
            of(make("shop.test", key=new_key(rsa_bits=1024)), "shop.test"),  # OpenSSL finds it too small
        ),
        1,
    ):
        publish(bench, shop=wrong, other=of(other, "other.test"))
        assert refused(bench) >= number
        assert serial(bench, "shop.test") == good.serial
        assert serial(bench, "other.test") == other.serial
        said = discovery.read_refusals(bench.etcd)
        assert said.keys() == {"team.shop"}
        assert said["team.shop"]["edge"]
        assert str(bench.agent.folder) not in said["team.shop"]["edge"]
    assert "team.shop.pem" in said["team.shop"]["edge"]  # in HAProxy's own words
    bench.agent.kill()
    bench.agent.start()
    wait_until(lambda: bench.logged("haproxy_adopted"), "HAProxy is adopted")
    bench.applied(bench.publish("shop", config("shop.test")))
    assert discovery.read_refusals(bench.etcd) == said, "who is started again says it again"
    publish(bench, shop=of(good, "shop.test"))
    assert discovery.read_refusals(bench.etcd) == {}


def test_what_is_sealed_with_another_key_is_not_served(bench: Bench) -> None:
    from cryptography.fernet import Fernet

    wanted = {"team.shop": of(make("shop.test"), "shop.test")}
    bench.applied(tls.publish(bench.etcd, Sealer([Fernet.generate_key().decode()]), wanted))
    assert refused(bench) == 1


def test_certificates_stay_when_etcd_is_wiped_and_when_the_agent_starts_again(bench: Bench) -> None:
    made = make("shop.test")
    publish(bench, shop=of(made, "shop.test", https_only=True))
    bench.agent.kill()
    bench.etcd.write({}, list(bench.etcd.keys("apps/")))
    bench.agent.start()
    wait_until(lambda: bench.logged("haproxy_adopted"), "HAProxy is adopted")
    bench.applied(bench.publish("shop", config("shop.test")))
    assert serial(bench, "shop.test") == made.serial
    publish(bench)
    assert serial(bench, "shop.test") != made.serial


def test_files_with_keys_are_for_their_owner_alone(bench: Bench) -> None:
    publish(bench, shop=of(make("shop.test"), "shop.test"))
    found = {path.name: path.stat().st_mode & 0o777 for path in (bench.agent.folder / "certificates").glob("*.pem")}
    assert found == {"default.pem": 0o600, "team.shop.pem": 0o600}
    held = bench.etcd.read("apps/_certificates/").values
    assert "PRIVATE" not in str(held)
    publish(bench)
    assert [path.name for path in (bench.agent.folder / "certificates").glob("*.pem")] == ["default.pem"]
    kept = [path for path in bench.agent.folder.rglob("*") if path.is_file() and "PRIVATE" in _text(path)]
    assert [path.name for path in kept] == ["default.pem"]


def _text(path: os.PathLike[str]) -> str:
    with open(path, errors="replace") as file:
        return file.read()


def test_a_challenge_is_answered_on_any_host_before_its_app_is_asked(bench: Bench) -> None:
    server = bench.server("one")
    bench.publish("shop", config("shop.test"), endpoint("0-1", server))
    bench.answers("shop.test", (200, "one"))
    publish(bench, shop=of(make("shop.test"), "shop.test", https_only=True))
    reloads = bench.logged("certificates_served")
    bench.applied(tls.challenge(bench.etcd, {"tok-en_1": AUTHORIZATION}))
    asked = len(server.requests)
    for _ in range(3):
        assert bench.get("shop.test", "/.well-known/acme-challenge/tok-en_1") == (200, AUTHORIZATION)
    assert len(server.requests) == asked
    assert bench.get("shop.test", "/.well-known/acme-challenge/other")[0] == 308
    tls.end_challenge(bench.etcd, ["tok-en_1"])
    bench.applied(bench.etcd.read(discovery.CLOCK).written)
    assert bench.get("shop.test", "/.well-known/acme-challenge/tok-en_1")[0] == 308
    assert bench.logged("certificates_served") == reloads


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("a b", "a b." + "a" * 43),
        ("tok", "tok." + "a" * 42 + ";"),
        ("tok", "tok." + "a" * 43 + "\nshow info"),
        ("tok", "other." + "a" * 43),
        ("%[src]", "%[src]." + "a" * 43),
    ],
)
def test_a_challenge_out_of_its_grammar_is_never_told_to_haproxy(shared: Bench, token: str, said: str) -> None:
    before = shared.logged("challenge_refused")
    shared.applied(tls.challenge(shared.etcd, {token: said}))
    assert shared.logged("challenge_refused") == before + 1
    assert (shared.agent.folder / "challenges.map").read_text() == ""
    tls.end_challenge(shared.etcd, [token])
