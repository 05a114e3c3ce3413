from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.edge import https, render
from scheduler.edge.folder import Folder
from scheduler.edge.grammar import Refused
from scheduler.edge.pem import check_certificate, check_challenge
from scheduler.tls import Certificate
from tests.certificates import make

FOLDER = Folder(Path("/var/lib/berth/edge"))
GOOD = Certificate(make("shop.test").pem, ("shop.test", "www.shop.test"))


def test_a_certificate_of_ours_passes() -> None:
    check_certificate("team.shop", GOOD)


@pytest.mark.parametrize("name", ["team", "team.", ".shop", "../team.shop", "team.sh op", "team.shop.pem", "team/a.b"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        check_certificate(name, GOOD)


@pytest.mark.parametrize(
    "pem",
    [
        "",
        GOOD.pem + "\n",
        "\n" + GOOD.pem,
        GOOD.pem.replace("\n", "\r\n"),
        GOOD.pem.replace("-----END CERTIFICATE-----\n", "-----END CERTIFICATE-----\n\nshow info\n"),
        GOOD.pem.partition("-----BEGIN PRIVATE")[0],
        GOOD.pem + GOOD.pem,
        GOOD.pem.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        "x" * 200_000,
        None,
    ],
)
def test_text_that_is_no_chain_with_its_key_is_refused(pem: str) -> None:
    with pytest.raises(Refused):
        check_certificate("team.shop", replace(GOOD, pem=pem))


@given(st.text(min_size=1))
def test_no_text_within_a_certificate_passes_but_its_own_signs(text: str) -> None:
    spoiled = replace(GOOD, pem=GOOD.pem[:60] + text + GOOD.pem[60:])
    if all(sign.isascii() and (sign.isalnum() or sign in "+/=") for sign in text):
        return
    if spoiled.pem.count("\n\n") == 0 and set(text) <= set("\n"):
        return  # another line's end
    with pytest.raises(Refused):
        check_certificate("team.shop", spoiled)


@pytest.mark.parametrize("host", ["", "a b", "a\nb", "*.shop.test", "Shop.test", "a..b", "é", "a" * 300, None])
def test_a_host_out_of_its_grammar_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        check_certificate("team.shop", replace(GOOD, hosts=(host,)))


@given(st.text(), st.text())
def test_what_passes_as_a_challenge_has_no_sign_of_haproxys(token: str, said: str) -> None:
    try:
        check_challenge(token, said)
    except Refused:
        return
    assert all(sign.isascii() and (sign.isalnum() or sign in "_-.") for sign in token + said)


def test_files_are_for_exactly_these_certificates() -> None:
    certificates = {"team.b": replace(GOOD, https_only=True), "team.a": replace(GOOD, hosts=("a.test",))}
    assert https.crt_list(certificates) == "team.a.pem a.test\nteam.b.pem shop.test www.shop.test\n"
    assert https.https_only(certificates) == "shop.test 1\nwww.shop.test 1\n"
    assert https.challenges({"tok": "tok.key"}) == "/.well-known/acme-challenge/tok tok.key\n"


def test_without_a_port_for_https_nothing_of_it_is_in_the_configuration() -> None:
    plain = render.base(FOLDER, "*:8080", "")
    assert "crt" not in plain
    assert "acme" not in plain
    encrypted = render.base(FOLDER, "*:8080", "", https_bind="*:8443")
    assert "    bind *:8443 ssl crt '/var/lib/berth/edge/certificates/default.pem' crt-list" in encrypted
    assert " alpn h2,http/1.1\n" in encrypted
    assert "redirect" not in encrypted
    assert "redirect code 308" in render.base(FOLDER, "*:8080", "", https_bind="*:8443", https_only=True)


@pytest.mark.parametrize(
    ("http", "encrypted", "set_to"),
    [
        ("*:80", "*:443", {}),
        ("*:8080", "*:8443", {"HTTP_OURS": ":8080", "HTTPS_OURS": ":8443"}),
        ("*:80", "*:8443", {"HTTPS_OURS": ":8443", "HTTPS_USUAL": ":8443"}),
        ("*:8080", "*:443", {"HTTP_OURS": ":8080", "HTTP_USUAL": ":8080"}),
        ("*:8080", "", {"HTTP_OURS": ":8080"}),
    ],
)
def test_a_redirect_finds_each_scheme_at_its_port(http: str, encrypted: str, set_to: dict[str, str]) -> None:
    names = ("HTTP_OURS", "HTTP_USUAL", "HTTPS_OURS", "HTTPS_USUAL")
    lines = [f"setenv BERTH_PORT_{n} {set_to[n]}" if n in set_to else f"unsetenv BERTH_PORT_{n}" for n in names]
    assert https.ports(http, encrypted).split("\n    ") == [f"    {lines[0]}", *lines[1:3], f"{lines[3]}\n"]
