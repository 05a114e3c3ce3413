"""`./berth token`: a token, or one line that says why not."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.accounts.services import find_token

pytestmark = pytest.mark.django_db


def token(people: SimpleNamespace, *arguments: str) -> str:
    printed = StringIO()
    call_command("token", *arguments, "--user", people.admin.username, stdout=printed)
    return printed.getvalue().strip()


def test_it_prints_a_token_that_works_for_as_long_as_it_was_asked_for(people: SimpleNamespace) -> None:
    found = find_token(token(people, "tour", "--days", "90"))
    assert found is not None
    assert found.user == people.admin
    assert abs(found.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize("days", ["0", "-1", "36501", "99999999999999999999", "x", "1.5", ""])
def test_an_impossible_lifetime_is_refused_in_one_line(people: SimpleNamespace, days: str) -> None:
    with pytest.raises(CommandError) as error:
        token(people, "tour", f"--days={days}")
    assert str(error.value) == f"--days: expected a whole number from 1 to 36500 like 90, got {days!r}"
    assert not ApiToken.objects.filter(name="tour").exists()


def test_a_taken_name_is_refused_with_what_to_do(people: SimpleNamespace) -> None:
    token(people, "tour")
    with pytest.raises(CommandError, match=r"“tour”.*Choose another name"):
        token(people, "tour")


def test_an_unknown_user_is_refused(people: SimpleNamespace) -> None:
    with pytest.raises(CommandError, match="there is no user nobody"):
        call_command("token", "tour", "--user", "nobody")
