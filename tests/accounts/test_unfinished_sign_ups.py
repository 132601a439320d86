from datetime import timedelta

import pytest
from django.db.models import F

from accounts.models import User
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
