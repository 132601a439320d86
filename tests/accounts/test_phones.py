"""Signing up, in and on by phone number."""

from typing import Any

import pytest

from accounts.models import User
from paycore.models import EventRecord
from paycore.notifications.models import SmsUsage
from paycore.notifications.services import send_due
from tests.accounts.conftest import AUTH, App, code_sent_to, messages_to
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db
PHONE, OTHER = "+14155550100", "+14155550101"


def test_a_phone_number_and_its_code_are_enough_to_sign_up(app: App) -> None:
    assert app.sign_up_by_phone(PHONE, name="Ada").status_code == 200

    me = app.call("GET", "/api/v1/me")
    assert me.status_code == 200
    ada = User.objects.get()
    assert (ada.phone, ada.email, ada.kyc_level) == (PHONE, None, 1)
    assert ada.phone_verified_at is not None
    assert not ada.has_usable_password()
    assert EventRecord.objects.filter(name="user.signed_up", object_id=ada.pk).count() == 1


def test_the_number_belongs_to_nobody_before_the_code_was_typed_in(app: App) -> None:
    squatter = App()
    squatter.call("POST", f"{AUTH}/auth/signup", {"phone": PHONE, "password": "the thief's own phrase"})
    assert not User.objects.filter(phone=PHONE).exists()

    assert app.sign_up_by_phone(PHONE).status_code == 200

    assert User.objects.get(phone=PHONE).pk == app.call("GET", "/api/v1/me").json()["id"]
    login = App().call("POST", f"{AUTH}/auth/login", {"phone": PHONE, "password": "the thief's own phrase"})
    assert login.status_code == 400


def test_of_two_sign_ups_with_one_number_the_second_to_type_its_code_in_is_told(app: App) -> None:
    other = App()
    app.call("POST", f"{AUTH}/auth/signup", {"phone": PHONE})
    mine = code_sent_to(PHONE)
    other.call("POST", f"{AUTH}/auth/signup", {"phone": PHONE})
    assert other.call("POST", f"{AUTH}/auth/phone/verify", {"code": code_sent_to(PHONE)}).status_code == 200

    late = app.call("POST", f"{AUTH}/auth/phone/verify", {"code": mine})

    assert late.status_code == 400
    assert late.json()["errors"][0]["code"] == "phone_taken"
    assert User.objects.filter(phone=PHONE).count() == 1


def test_sms_code_signs_in(app: App) -> None:
    App().sign_up_by_phone(PHONE)
    assert app.sign_in_by_code(PHONE).status_code == 200
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_phone_and_password_sign_in(app: App) -> None:
    App().sign_up_by_phone(PHONE, password="a long enough phrase")
    body = {"phone": PHONE, "password": "a long enough phrase"}
    assert app.call("POST", f"{AUTH}/auth/login", body).status_code == 200


def test_guessing_at_one_number_does_not_lock_another_out() -> None:
    App().sign_up_by_phone(PHONE, password="a long enough phrase")
    App().sign_up_by_phone(OTHER, password="a long enough phrase")
    for _ in range(6):
        App().call("POST", f"{AUTH}/auth/login", {"phone": PHONE, "password": "wrong"})
    body = {"phone": OTHER, "password": "a long enough phrase"}
    assert App().call("POST", f"{AUTH}/auth/login", body).status_code == 200


def test_short_message_says_the_code_and_nothing_about_the_person(app: App, caplog: Any) -> None:
    app.call("POST", f"{AUTH}/auth/signup", {"phone": PHONE, "name": "Ada Lovelace"})
    code = code_sent_to(PHONE)
    send_due()
    assert messages_to(PHONE)[0].status == "sent"
    assert code not in caplog.text
    assert PHONE not in caplog.text


def test_nothing_is_sent_to_a_number_without_an_account_yet_the_answer_is_the_same(app: App) -> None:
    App().sign_up_by_phone(PHONE)
    known = app.call("POST", f"{AUTH}/auth/code/request", {"phone": PHONE})
    stranger = App()
    unknown = stranger.call("POST", f"{AUTH}/auth/code/request", {"phone": OTHER})

    assert known.status_code == unknown.status_code == 401
    assert known.json()["data"] == unknown.json()["data"]
    assert set(known.json()["meta"]) == set(unknown.json()["meta"])
    assert messages_to(OTHER) == []
    wrong = [who.call("POST", f"{AUTH}/auth/code/confirm", {"code": "x"}) for who in (app, stranger)]
    assert wrong[0].status_code == wrong[1].status_code == 400
    assert wrong[0].json() == wrong[1].json()


def test_the_limit_of_codes_is_the_same_for_numbers_with_and_without_an_account(settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "request_login_code": "100/m/ip"}
    App().sign_up_by_phone(PHONE)
    App().sign_in_by_code(PHONE)
    SmsUsage.objects.all().delete()
    statuses = {
        phone: [App().call("POST", f"{AUTH}/auth/code/request", {"phone": phone}).status_code for _ in range(7)]
        for phone in (PHONE, OTHER)
    }
    assert statuses[PHONE] == statuses[OTHER] == [401] * 5 + [429] * 2


def test_sign_up_with_a_taken_number_looks_like_any_other_and_tells_its_owner(app: App) -> None:
    App().sign_up_by_phone(PHONE)
    taken = app.call("POST", f"{AUTH}/auth/signup", {"phone": PHONE})
    free = App().call("POST", f"{AUTH}/auth/signup", {"phone": OTHER})
    assert taken.status_code == free.status_code == 401
    assert taken.json()["data"] == free.json()["data"]
    assert messages_to(PHONE)[0].template == "account_exists"
    assert User.objects.filter(phone=PHONE).count() == 1


def test_forgotten_password_is_replaced_after_a_code_by_sms_and_other_sessions_end(app: App) -> None:
    elsewhere = App()
    elsewhere.sign_up_by_phone(PHONE, password="a long enough phrase")
    app.sign_in_by_code(PHONE)

    answer = app.call("PUT", "/api/v1/me/password", {"new_password": "five blue walnuts sing"})

    assert answer.status_code == 204
    assert app.call("GET", "/api/v1/me").status_code == 200
    assert elsewhere.call("GET", "/api/v1/me").status_code == 401
    body = {"phone": PHONE, "password": "five blue walnuts sing"}
    assert App().call("POST", f"{AUTH}/auth/login", body).status_code == 200


def test_password_is_not_replaced_without_a_fresh_code(app: App) -> None:
    user = UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    answer = app.call("PUT", "/api/v1/me/password", {"new_password": "five blue walnuts sing"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "reauth_required"
    user.refresh_from_db()
    assert user.check_password("a long enough phrase")


def test_weak_new_password_is_refused(app: App) -> None:
    app.sign_up_by_phone(PHONE)
    answer = app.call("PUT", "/api/v1/me/password", {"new_password": "password12"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith("/new_password")
    assert not User.objects.get().has_usable_password()


def test_number_is_changed_after_its_code(app: App) -> None:
    app.sign_up_by_phone(PHONE)
    changed = app.call("POST", f"{AUTH}/account/phone", {"phone": OTHER})
    assert changed.status_code == 202
    assert User.objects.get().phone == PHONE
    assert app.call("POST", f"{AUTH}/auth/phone/verify", {"code": code_sent_to(OTHER)}).status_code == 200
    assert User.objects.get().phone == OTHER
    assert app.call("GET", f"{AUTH}/account/phone").json()["data"] == [{"phone": OTHER, "verified": True}]


def test_number_of_somebody_else_cannot_be_taken_over(app: App) -> None:
    App().sign_up_by_phone(OTHER)
    app.sign_up_by_phone(PHONE)
    assert app.call("POST", f"{AUTH}/account/phone", {"phone": OTHER}).status_code == 202
    answer = app.call("POST", f"{AUTH}/auth/phone/verify", {"code": code_sent_to(OTHER)})
    assert answer.status_code == 400
    assert User.objects.filter(phone=PHONE).exists()
