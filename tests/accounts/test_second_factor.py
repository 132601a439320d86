"""TOTP, recovery codes and passkeys, over plain HTTP."""

import time
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests.accounts.conftest import AUTH, App, messages_to
from tests.accounts.factories import UserFactory
from tests.accounts.software_key import SoftwareKey
from tests.accounts.test_step_up import grow_old

pytestmark = pytest.mark.django_db
ORIGIN, RP_ID = "https://pay.example", "pay.example"
TOTP, CODES, KEYS = (f"{AUTH}/account/authenticators/{kind}" for kind in ("totp", "recovery-codes", "webauthn"))


@pytest.fixture(autouse=True)
def _public_address(settings: Any) -> None:
    settings.PAYCORE_BASE_URL = ORIGIN
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False


@pytest.fixture
def ada(app: App) -> App:
    UserFactory(email="ada@example.com")
    assert app.sign_in(email="ada@example.com").status_code == 200
    return app


def totp_code(secret: str, *, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def with_totp(app: App) -> str:
    """Switch TOTP on; the secret."""
    secret: str = app.call("GET", TOTP).json()["meta"]["secret"]
    assert app.call("POST", TOTP, {"code": totp_code(secret)}).status_code == 200
    return secret


def half_signed_in() -> App:
    app = App()
    answer = app.sign_in(email="ada@example.com")
    assert answer.status_code == 401
    assert app.access_token == ""
    return app


def with_passkey(app: App) -> SoftwareKey:
    options = app.call("GET", f"{KEYS}?passwordless").json()["data"]["creation_options"]["publicKey"]
    assert options["rp"]["id"] == RP_ID
    key = SoftwareKey(origin=ORIGIN, rp_id=RP_ID)
    answer = app.call("POST", KEYS, {"name": "Phone", "credential": key.create(options)})
    assert answer.status_code == 200, answer.content
    return key


def passkey_question(app: App) -> dict[str, Any]:
    options: dict[str, Any] = app.call("GET", f"{AUTH}/auth/webauthn/login").json()["data"]["request_options"]
    return dict(options["publicKey"])


def test_totp_is_asked_for_after_the_password(ada: App) -> None:
    secret = with_totp(ada)
    app = half_signed_in()
    wrong = app.call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": "000000"})
    assert wrong.status_code == 400
    assert app.access_token == ""
    with time_machine.travel(time.time() + 60):
        answer = app.call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": totp_code(secret)})
        assert answer.status_code == 200
        assert app.call("GET", "/api/v1/me").status_code == 200


def test_totp_is_asked_for_after_a_mailed_code_too(ada: App) -> None:
    with_totp(ada)
    app = App()
    assert app.sign_in_by_code("ada@example.com").status_code == 401
    assert app.access_token == ""


def test_a_totp_code_works_once(ada: App) -> None:
    secret = with_totp(ada)
    code = totp_code(secret, steps=1)
    assert half_signed_in().call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": code}).status_code == 200
    assert half_signed_in().call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": code}).status_code == 400


def test_guessing_totp_codes_is_stopped(ada: App) -> None:
    secret = with_totp(ada)
    app = half_signed_in()
    for guess in range(8):
        app.call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": f"{guess:06d}"})
    answer = app.call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": totp_code(secret, steps=1)})
    assert answer.status_code == 400
    assert app.access_token == ""


def test_secrets_are_sealed_at_rest(ada: App) -> None:
    secret = with_totp(ada)
    stored = " ".join(str(row.data) for row in Authenticator.objects.all())
    assert secret not in stored
    assert len(Authenticator.objects.all()) == 2


def test_each_recovery_code_signs_in_once(ada: App) -> None:
    with_totp(ada)
    codes = ada.call("GET", CODES).json()["data"]["unused_codes"]
    assert len(codes) == 10
    assert half_signed_in().call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": codes[0]}).status_code == 200
    assert half_signed_in().call("POST", f"{AUTH}/auth/2fa/authenticate", {"code": codes[0]}).status_code == 400


@pytest.mark.parametrize("action", ["on", "off", "codes"])
def test_second_factors_change_with_a_recent_proof_only(ada: App, action: str) -> None:
    secret = "" if action == "on" else with_totp(ada)
    if action == "on":
        secret = ada.call("GET", TOTP).json()["meta"]["secret"]
    before = list(Authenticator.objects.order_by("id").values())
    grow_old()
    answer = {
        "on": lambda: ada.call("POST", TOTP, {"code": totp_code(secret)}),
        "off": lambda: ada.call("DELETE", TOTP),
        "codes": lambda: ada.call("POST", CODES, {}),
    }[action]()
    assert answer.status_code == 401
    assert list(Authenticator.objects.order_by("id").values()) == before


@pytest.mark.django_db(transaction=True)
def test_the_person_is_told_of_a_new_second_factor(ada: App) -> None:
    with_totp(ada)
    assert "mfa_on" in [message.context.get("what") for message in messages_to("ada@example.com")]


def test_a_passkey_signs_in_without_anything_else(ada: App) -> None:
    key = with_passkey(ada)
    app = App()
    answer = app.call("POST", f"{AUTH}/auth/webauthn/login", {"credential": key.get(passkey_question(app))})
    assert answer.status_code == 200, answer.content
    assert app.call("GET", "/api/v1/me").json()["email"] == "ada@example.com"


def test_a_passkey_is_a_second_factor_and_a_proof(ada: App) -> None:
    key = with_passkey(ada)
    app = half_signed_in()
    options = app.call("GET", f"{AUTH}/auth/webauthn/authenticate").json()["data"]["request_options"]["publicKey"]
    answer = app.call("POST", f"{AUTH}/auth/webauthn/authenticate", {"credential": key.get(options)})
    assert answer.status_code == 200
    grow_old()
    options = app.call("GET", f"{AUTH}/auth/webauthn/reauthenticate").json()["data"]["request_options"]["publicKey"]
    again = app.call("POST", f"{AUTH}/auth/webauthn/reauthenticate", {"credential": key.get(options)})
    assert again.status_code == 200


@pytest.mark.parametrize("trick", ["origin", "rp", "challenge", "signature", "other_key", "replay"])
def test_forged_passkey_answers_are_refused(ada: App, trick: str) -> None:
    key = with_passkey(ada)
    app = App()
    question = passkey_question(app)
    if trick == "origin":
        key.origin = "https://pay.example.evil.example"
    if trick == "rp":
        key.rp_id = "evil.example"
    if trick == "challenge":
        question["challenge"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    if trick == "other_key":
        key.private_key = SoftwareKey(origin=ORIGIN, rp_id=RP_ID).private_key
    credential = key.get(question)
    if trick == "signature":
        credential["response"]["signature"] = credential["response"]["signature"][::-1]
    if trick == "replay":
        assert app.call("POST", f"{AUTH}/auth/webauthn/login", {"credential": credential}).status_code == 200
        app = App()
        passkey_question(app)
    answer = app.call("POST", f"{AUTH}/auth/webauthn/login", {"credential": credential})
    assert answer.status_code == 400
    assert app.access_token == ""


NONSENSE: list[Any] = [None, "", 5, [], {}, {"id": "x"}, {"response": 5}]
NONSENSE += [
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": response}
    for response in (
        {},
        {"clientDataJSON": "e30", "attestationObject": "AAAA", "authenticatorData": "AA", "signature": "AA"},
        {"clientDataJSON": "!", "attestationObject": "oA", "authenticatorData": "AAAA", "signature": ""},
        {"clientDataJSON": 5, "attestationObject": {}, "authenticatorData": [], "signature": None},
    )
]


@pytest.mark.parametrize("credential", NONSENSE)
def test_nonsense_passkey_answers_are_refused(ada: App, credential: Any) -> None:
    app = App()
    passkey_question(app)
    ada.call("GET", KEYS)
    body = {"credential": credential}
    for answer in (
        app.call("POST", f"{AUTH}/auth/webauthn/login", body),
        ada.call("POST", KEYS, {"name": "x", **body}),
    ):
        assert answer.status_code == 400
    assert not Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).exists()


def test_totp_codes_of_one_person_are_few_a_day_whatever_session_tries_them(settings: Any, ada: App) -> None:
    """Somebody who knows the password may begin as many sessions as they like."""
    settings.ACCOUNT_RATE_LIMITS = False
    secret = with_totp(ada)
    statuses = []
    for session in range(5):
        app = half_signed_in()
        for guess in range(8):
            body = {"code": f"{session * 8 + guess:06d}"}
            statuses.append(app.call("POST", f"{AUTH}/auth/2fa/authenticate", body).status_code)
    assert statuses.count(400) <= 31
    assert statuses[-1] == 429
    right = {"code": totp_code(secret, steps=1)}
    assert half_signed_in().call("POST", f"{AUTH}/auth/2fa/authenticate", right).status_code == 429
