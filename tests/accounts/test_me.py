from typing import Any

import pytest

from accounts.kyc.services import note_phone_verified
from accounts.models import User
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(app: App) -> User:
    user: User = UserFactory(email="ada@example.com", name="Ada")
    app.sign_in(email="ada@example.com")
    return user


@pytest.mark.parametrize(
    "token", ["", "nonsense", "a.b.c", "sk_0123456789", "eyJhbGciOiJub25lIn0.e30.", "é.b.c", "." * 9000]
)
def test_without_a_good_token_the_answer_is_401_that_names_the_scheme(app: App, token: str) -> None:
    app.access_token = token
    answer = app.call("GET", "/api/v1/me")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


def test_profile_shows_what_was_agreed(app: App, ada: User) -> None:
    answer = app.call("GET", "/api/v1/me")
    shown = answer.json()
    assert {name: shown[name] for name in ("email", "phone", "name", "avatar_url", "kyc_level")} == {
        "email": "ada@example.com",
        "phone": None,
        "name": "Ada",
        "avatar_url": "",
        "kyc_level": 0,
    }
    rest = {"id", "is_email_verified", "is_phone_verified", "locale", "currency", "created_at"}
    assert set(shown) == {"email", "phone", "name", "avatar_url", "kyc_level"} | rest


def test_patch_changes_what_is_given_and_nothing_else(app: App, ada: User) -> None:
    answer = app.call("PATCH", "/api/v1/me", {"locale": "zh-hans", "currency": "CNY"})
    assert answer.status_code == 200
    ada.refresh_from_db()
    assert (ada.name, ada.locale, ada.currency) == ("Ada", "zh-hans", "CNY")
    assert answer.json()["name"] == "Ada"


def test_a_picture_has_an_https_address_or_none(app: App, ada: User) -> None:
    address = "https://pictures.example/ada.png"
    assert app.call("PATCH", "/api/v1/me", {"avatar_url": address}).json()["avatar_url"] == address
    assert app.call("PATCH", "/api/v1/me", {"avatar_url": ""}).json()["avatar_url"] == ""


def test_verified_addresses_are_shown_as_such(app: App, ada: User) -> None:
    assert note_phone_verified(user_id=ada.pk) == 0, "there is no number to be verified"
    assert app.call("GET", "/api/v1/me").json()["is_phone_verified"] is False
    User.objects.filter(pk=ada.pk).update(phone="+33611223344")
    note_phone_verified(user_id=ada.pk)
    shown = app.call("GET", "/api/v1/me").json()
    assert (shown["phone"], shown["is_phone_verified"], shown["kyc_level"]) == ("+33611223344", True, 1)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"avatar_url": "http://pictures.example/ada.png"}, "invalid"),
        ({"avatar_url": "javascript:alert(1)"}, "invalid"),
        ({"avatar_url": "https://"}, "invalid"),
        ({"avatar_url": "https://x.example/" + "a" * 500}, "max_length"),
        ({"kyc_level": 2}, "unknown_field"),
        ({"phone": "+33611223344"}, "unknown_field"),
        ({"email": "eve@example.com"}, "unknown_field"),
        ({"is_staff": True}, "unknown_field"),
        ({"id": "usr_1"}, "unknown_field"),
        ({"name": 5}, "not_a_string"),
        ({"name": None}, "null"),
        ({"name": "a\u202eb"}, "invalid_characters"),
        ({"name": "x" * 101}, "max_length"),
        ({"locale": "xx"}, "invalid_choice"),
        ({"locale": ["en"]}, "invalid_choice"),
        ({"currency": "usd"}, "unknown_currency"),
        ({"currency": {"a": 1}}, "unknown_currency"),
    ],
)
def test_bad_change_is_refused_and_changes_nothing(app: App, ada: User, body: dict[str, Any], code: str) -> None:
    before = User.objects.values().get()
    answer = app.call("PATCH", "/api/v1/me", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_failed"
    assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [(code, "/" + next(iter(body)))]
    assert User.objects.values().get() == before


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_other_methods_are_refused(app: App, ada: User, method: str) -> None:
    assert app.call(method, "/api/v1/me", {}).status_code == 405
