"""Logging in: pauses after failures, and the cookies that a browser gets."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import logins
from apps.accounts.models import LoginFailures, User
from apps.events.models import Event

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def admin(people: SimpleNamespace) -> User:
    people.admin.set_password(PASSWORD)
    people.admin.save()
    return people.admin


def attempt(client: Client, password: str, address: str = HERE, name: str = "admin", **more: Any) -> HttpResponse:
    return client.post(reverse("login"), {"username": name, "password": password}, REMOTE_ADDR=address, **more)


def logged_in(answer: HttpResponse) -> bool:
    return bool(answer.status_code == 302)


def pause_is_over() -> None:
    LoginFailures.objects.filter(paused_until__isnull=False).update(paused_until=timezone.now())


def test_after_some_failures_even_the_right_password_has_to_wait(admin: User) -> None:
    for _time in range(logins.FREE):
        assert attempt(Client(), "wrong").status_code == 200
    answer = attempt(Client(), PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= logins.FIRST_PAUSE.total_seconds()
    assert "Too many attempts failed." in answer.text
    pause_is_over()
    assert logged_in(attempt(Client(), PASSWORD))
    assert not LoginFailures.objects.filter(username="admin").exists()


def test_a_name_that_nobody_has_is_treated_alike(admin: User) -> None:
    for _time in range(logins.FREE):
        attempt(Client(), "wrong", name="nobody")
    assert attempt(Client(), "wrong", name="nobody").status_code == 429


def test_nobody_is_kept_out_by_what_others_do_elsewhere(admin: User) -> None:
    for _time in range(logins.FREE + 1):
        attempt(Client(), "wrong", ELSEWHERE)
    assert attempt(Client(), PASSWORD, ELSEWHERE).status_code == 429
    assert logged_in(attempt(Client(), PASSWORD, HERE))


def test_a_known_browser_is_not_kept_out_from_behind_the_same_address(admin: User) -> None:
    known = Client()
    assert logged_in(attempt(known, PASSWORD))
    known.post(reverse("logout"))
    for _time in range(logins.FREE + 1):
        attempt(Client(), "wrong")
    assert attempt(Client(), PASSWORD).status_code == 429
    assert logged_in(attempt(known, PASSWORD))


def test_a_known_browser_guesses_no_more_often_and_no_other_names(admin: User) -> None:
    known = Client()
    attempt(known, PASSWORD)
    known.post(reverse("logout"))
    for _time in range(logins.FREE):
        attempt(known, "wrong")
    assert attempt(known, PASSWORD).status_code == 429
    for _time in range(logins.FREE):
        attempt(known, "wrong", name="owner")
    assert attempt(Client(), "wrong", name="owner").status_code == 429, "counted by its address"


def test_pauses_double_and_end(admin: User) -> None:
    pauses, now = [], timezone.now()
    for _time in range(30):
        pauses.append(logins.begin("admin", HERE, "", now).pause)
        now += timedelta(seconds=pauses[-1])
    assert pauses[: logins.FREE - 1] == [0] * (logins.FREE - 1)
    assert pauses[logins.FREE - 1 : logins.FREE + 3] == [15, 30, 60, 120]
    assert pauses[-1] == logins.LONGEST_PAUSE.total_seconds()
    assert logins.begin("admin", HERE, "", now + logins.FORGOTTEN + timedelta(seconds=1)).pause == 0


def test_a_pause_is_not_prolonged_by_what_is_tried_during_it(admin: User) -> None:
    now = timezone.now()
    for _time in range(logins.FREE):
        logins.begin("admin", HERE, "", now)
    before = LoginFailures.objects.order_by("pk").values_list("count", "paused_until")
    before = list(before)
    for _time in range(10):
        with pytest.raises(logins.Paused):
            logins.begin("admin", HERE, "", now)
    assert list(LoginFailures.objects.order_by("pk").values_list("count", "paused_until")) == before


def test_one_address_tries_many_names_only_for_a_while(admin: User) -> None:
    now = timezone.now()
    for number in range(logins.FREE_OF_A_SOURCE):
        logins.begin(f"user-{number}", HERE, "", now)
    with pytest.raises(logins.Paused):
        logins.begin("one-more", HERE, "", now)
    logins.begin("one-more", ELSEWHERE, "", now)


def test_the_addresses_of_one_network_of_ipv6_are_one(admin: User) -> None:
    now = timezone.now()
    for number in range(logins.FREE):
        logins.begin("admin", f"2001:db8::{number + 1:x}", "", now)
    with pytest.raises(logins.Paused):
        logins.begin("admin", "2001:db8::ffff", "", now)
    logins.begin("admin", "2001:db8:0:1::1", "", now)


def test_those_who_log_in_well_do_not_use_up_what_their_address_may(admin: User) -> None:
    now = timezone.now()
    for _time in range(2 * logins.FREE_OF_A_SOURCE):
        logins.succeeded(logins.begin("admin", HERE, "", now))
    assert logins.begin("admin", HERE, "", now).pause == 0


def test_a_pause_is_an_event(admin: User) -> None:
    for _time in range(logins.FREE + 2):
        attempt(Client(), "wrong")
    event = Event.objects.get(kind="login.paused")
    assert event.params == {"user": "admin", "address": HERE, "failures": logins.FREE, "seconds": 15}
    assert event.group is None, "for admins alone"


def test_old_failures_are_forgotten(admin: User) -> None:
    attempt(Client(), "wrong")
    assert logins.forget(timezone.now()) == 0
    assert logins.forget(timezone.now() + logins.FORGOTTEN + timedelta(seconds=1)) == 2


def test_cookies_are_for_the_panel_alone(admin: User, settings: Any) -> None:
    for encrypted in (False, True):
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.LANGUAGE_COOKIE_SECURE = encrypted
        browser = Client()
        browser.get(reverse("login"))
        assert logged_in(attempt(browser, PASSWORD))
        browser.post(reverse("set_language"), {"language": "en"})
        names = {"berth_session", "csrftoken", "berth_known", "django_language"}
        assert set(browser.cookies) == names
        for name in names:
            cookie = browser.cookies[name]
            assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax"), name
            assert bool(cookie["secure"]) == encrypted, name


def test_hsts_is_sent_with_encrypted_answers_alone(people: SimpleNamespace, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 3600
    assert Client().get(reverse("login"), secure=True)["Strict-Transport-Security"] == "max-age=3600"
    assert "Strict-Transport-Security" not in Client().get(reverse("login"))
