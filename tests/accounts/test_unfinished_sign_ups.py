from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import User
from accounts.signing_in import unfinished
from accounts.signing_in.ended import forget_ended_sessions
from accounts.signing_in.unfinished import forget_unfinished
from merchants.models import Merchant
from merchants.services import add_member
from tests.accounts.conftest import AUTH, App
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def two_days_pass() -> None:
    User.objects.update(date_joined=F("date_joined") - timedelta(days=2))


def test_sign_ups_without_their_code_are_forgotten_after_a_day_and_the_address_is_free(app: App) -> None:
    App().sign_up(email="ada@example.com")
    App().call("POST", f"{AUTH}/auth/signup", {"phone": "+14155550100"})
    assert forget_unfinished() == 0

    two_days_pass()

    assert forget_unfinished() == 2
    assert not User.objects.exists()
    app.sign_up_whole(email="ada@example.com")
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_everybody_else_stays() -> None:
    App().sign_up_whole(email="verified@example.com")
    App().sign_up_by_phone("+14155550100")
    UserFactory(email="unused@example.com")
    UserFactory(email="made-by-staff@example.com", verified_address=False)
    two_days_pass()
    assert forget_unfinished() == 0
    assert User.objects.count() == 4


def test_whom_something_refers_to_stays_whole(merchant: Merchant) -> None:
    App().sign_up(email="ada@example.com")
    member = add_member(merchant=merchant, user=User.objects.get(email="ada@example.com"), role="viewer")
    two_days_pass()
    assert forget_unfinished() == 0
    member.refresh_from_db()
    assert member.user.emailaddress_set.count() == 1


def test_who_signs_in_at_the_last_moment_keeps_the_address() -> None:
    """Found unfinished, and finished before it was this person's turn."""
    App().sign_up_whole(email="ada@example.com")
    ada = User.objects.get()
    assert not unfinished._forget(ada.pk)
    assert ada.emailaddress_set.count() == 1


def test_ended_sessions_and_their_devices_are_forgotten_and_living_ones_stay(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    gone = App()
    gone.sign_in(email="ada@example.com")
    ended = UserSession.objects.latest("id")
    Session.objects.filter(pk=ended.session_key).update(expire_date=Now() - timedelta(seconds=1))
    App().call("POST", f"{AUTH}/auth/code/request", {"email": "nobody@example.com"})

    assert forget_ended_sessions() == 1
    assert Session.objects.count() == 2
    UserSession.objects.update(last_seen_at=Now() - timedelta(days=2))
    assert forget_ended_sessions() == 1

    assert app.call("GET", "/api/v1/me").status_code == 200
    assert gone.call("GET", "/api/v1/me").status_code == 401
    assert not UserSession.objects.filter(pk=ended.pk).exists()
