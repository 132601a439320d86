import json
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.authentication import UserAuthentication
from accounts.models import User
from accounts.stepup import ReauthenticationRequired, has_recent_sign_in, require_recent_sign_in
from tests.accounts.conftest import AUTH, App, code_sent_to, messages_to
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db
PHONE, OTHER = "+14155550100", "+14155550101"


def request_of(app: App) -> Request:
    raw = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {app.access_token}"})
    return Request(raw, authenticators=[UserAuthentication()])


def grow_old(*, seconds: float = 301) -> None:
    """Every proof of every session happened this much earlier."""
    for row in Session.objects.all():
        store = SessionStore(row.session_key)
        for record in store.get(AUTHENTICATION_METHODS_SESSION_KEY, []):
            record["at"] -= seconds
        store.modified = True
        store.save()


def test_a_fresh_sign_in_is_a_proof_and_an_old_one_is_not(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    assert has_recent_sign_in(request_of(app))
    grow_old()
    assert not has_recent_sign_in(request_of(app))
    with pytest.raises(ReauthenticationRequired) as refusal:
        require_recent_sign_in(request_of(app))
    assert 'error="insufficient_user_authentication"' in refusal.value.challenge
    assert 'max_age="300"' in refusal.value.challenge


def test_refreshing_tokens_proves_nothing(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    grow_old()
    app.access_token = app.refresh().json()["data"]["access_token"]
    assert not has_recent_sign_in(request_of(app))


def test_sign_up_by_code_is_a_proof(app: App) -> None:
    app.sign_up_whole(email="ada@example.com")
    assert has_recent_sign_in(request_of(app))


def test_repeating_the_password_is_a_proof_for_this_session_only(app: App) -> None:
    UserFactory(email="ada@example.com")
    other = App()
    for one in (app, other):
        one.sign_in(email="ada@example.com")
    grow_old()
    wrong = app.call("POST", f"{AUTH}/auth/reauthenticate", {"password": "not the right phrase"})
    assert wrong.status_code == 400
    assert not has_recent_sign_in(request_of(app))

    assert app.call("POST", f"{AUTH}/auth/reauthenticate", {"password": "a long enough phrase"}).status_code == 200

    assert has_recent_sign_in(request_of(app))
    assert not has_recent_sign_in(request_of(other))


def test_merchants_keys_and_nobody_have_no_proof() -> None:
    assert not has_recent_sign_in(Request(APIRequestFactory().get("/")))


CHANGES = [
    ("POST", "account/email", {"email": "new@example.com"}),
    ("POST", "account/phone", {"phone": OTHER}),
    ("GET", "account/authenticators/webauthn", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_identity_changes_want_a_recent_proof(app: App, method: str, path: str, body: Any) -> None:
    app.sign_up_whole(email="ada@example.com")
    before = json.dumps(list(User.objects.values("email", "phone")))
    grow_old()
    answer = app.call(method, f"{AUTH}/{path}", body)
    assert answer.status_code == 401
    assert messages_to("new@example.com") == messages_to(OTHER) == []
    assert json.dumps(list(User.objects.values("email", "phone"))) == before


def test_who_has_no_password_signs_in_again_by_code_to_change_the_number(app: App) -> None:
    app.sign_up_by_phone(PHONE)
    grow_old()
    refused = app.call("POST", f"{AUTH}/account/phone", {"phone": OTHER})
    assert refused.status_code == 401
    assert messages_to(OTHER) == []

    again = App()
    again.sign_in_by_code(PHONE)
    assert again.call("POST", f"{AUTH}/account/phone", {"phone": OTHER}).status_code == 202


def test_address_is_changed_after_its_code_and_the_old_one_is_told(app: App) -> None:
    app.sign_up_whole(email="ada@example.com")
    assert app.call("POST", f"{AUTH}/account/email", {"email": "new@example.com"}).status_code == 200
    assert User.objects.get().email == "ada@example.com"
    verified = app.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to("new@example.com")})
    assert verified.status_code == 200
    assert User.objects.get().email == "new@example.com"
    notices = [message.context.get("what") for message in messages_to("ada@example.com")]
    assert "email_changed" in notices


def test_address_of_somebody_else_is_neither_told_nor_taken(app: App) -> None:
    UserFactory(email="eve@example.com")
    app.sign_up_whole(email="ada@example.com")
    answer = app.call("POST", f"{AUTH}/account/email", {"email": "eve@example.com"})
    assert answer.status_code == 200
    taken = app.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to("eve@example.com")})
    assert taken.status_code == 400
    assert User.objects.filter(email="ada@example.com").exists()


def test_a_first_password_wants_a_recent_proof(app: App) -> None:
    """Or a stolen access token would be an account for ever."""
    app.sign_up_by_phone(PHONE)
    grow_old()
    answer = app.call("POST", f"{AUTH}/account/password/change", {"new_password": "five blue walnuts sing"})
    assert answer.status_code == 401
    assert not User.objects.get().has_usable_password()

    again = App()
    again.sign_in_by_code(PHONE)
    answer = again.call("POST", f"{AUTH}/account/password/change", {"new_password": "five blue walnuts sing"})
    assert answer.status_code == 200
    assert User.objects.get().has_usable_password()
