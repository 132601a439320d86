"""Forged, altered, mixed-up and dead tokens: none is let in, and none breaks anything."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.sessions.models import Session

from accounts.models import User
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(app: App) -> App:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    assert app.call("GET", "/api/v1/me").status_code == 200
    return app


def claims_of(app: App) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(app.access_token, options={"verify_signature": False})
    return claims


def with_key(claims: dict[str, Any], **headers: Any) -> str:
    return jwt.encode(claims, settings.HEADLESS_JWT_PRIVATE_KEY, algorithm="RS256", headers=headers or None)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public_pem() -> bytes:
    key = serialization.load_pem_private_key(settings.HEADLESS_JWT_PRIVATE_KEY.encode(), password=None)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def is_refused(app: App, token: str) -> bool:
    app.access_token = token
    answer = app.call("GET", "/api/v1/me")
    refreshed = App(refresh_token=token).refresh()
    return answer.status_code == 401 and refreshed.status_code == 400


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_unsigned_token_is_refused(ada: App, algorithm: str) -> None:
    claims = claims_of(ada)
    for signature in ("", part(b"anything")):
        assert is_refused(ada, f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}.{signature}")


def test_the_public_key_is_no_shared_secret(ada: App) -> None:
    """Key confusion: HS256 with the public key as the secret."""
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims_of(ada))}"
    for secret in (public_pem(), public_pem().strip(), settings.SECRET_KEY.encode(), b""):
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        assert is_refused(ada, f"{signed}.{part(signature)}")


def test_a_key_that_the_token_brings_itself_is_not_trusted(ada: App) -> None:
    theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(theirs.public_key()))
    for headers in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"kid": "../../../dev/null"}):
        assert is_refused(ada, jwt.encode(claims_of(ada), theirs, algorithm="RS256", headers=headers))


def test_expired_token_is_refused(ada: App) -> None:
    assert is_refused(ada, with_key({**claims_of(ada), "exp": int(time.time()) - 1}))


def test_our_own_signature_over_these_claims_would_be_accepted(ada: App) -> None:
    """Shows that the refusals here come from what was changed."""
    ada.access_token = with_key(claims_of(ada))
    assert ada.call("GET", "/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": "AAAA"},
        {"sid": "not base64 at all"},
        {"sid": 5},
        {"sid": None},
        {"sub": "usr_00000000000000000000000000"},
        {"sub": {"a": 1}},
        {"token_use": "refresh"},
        {"token_use": None},
        {"jti": 7},
    ],
)
def test_altered_claims_are_refused_even_when_signed(ada: App, changes: dict[str, Any]) -> None:
    claims = {**claims_of(ada), **changes}
    try:
        token = with_key(claims)
    except TypeError:  # the library refuses to sign what no token may hold
        signing_input = f"{part({'alg': 'RS256'})}.{part(claims)}"
        token = f"{signing_input}.{ada.access_token.rsplit('.', 1)[1]}"
    ada.access_token = token
    assert ada.call("GET", "/api/v1/me").status_code == 401


def test_changed_payload_with_the_old_signature_is_refused(ada: App) -> None:
    head, _payload, signature = ada.access_token.split(".")
    other = UserFactory(email="eve@example.com")
    assert is_refused(ada, f"{head}.{part({**claims_of(ada), 'sub': other.pk})}.{signature}")


def test_anothers_session_does_not_carry_ones_own_name(ada: App) -> None:
    eve = App()
    UserFactory(email="eve@example.com")
    eve.sign_in(email="eve@example.com")
    ada.access_token = with_key({**claims_of(ada), "sid": claims_of(eve)["sid"]})
    assert ada.call("GET", "/api/v1/me").status_code == 401


def test_token_of_an_ended_session_is_refused(ada: App) -> None:
    Session.objects.all().delete()
    assert ada.call("GET", "/api/v1/me").status_code == 401
    assert ada.refresh().status_code == 400


def test_token_of_a_deactivated_person_is_refused(ada: App) -> None:
    User.objects.update(is_active=False)
    assert ada.call("GET", "/api/v1/me").status_code == 401
    assert ada.refresh().status_code == 400


def test_token_from_before_a_password_change_is_refused(ada: App) -> None:
    user = User.objects.get()
    user.set_password("five blue walnuts sing")
    user.save()
    assert ada.call("GET", "/api/v1/me").status_code == 401
    assert ada.refresh().status_code == 400


@pytest.mark.parametrize("token", ["a.b.c", "..", "é.é.é", "eyJhbGciOiJSUzI1NiJ9..", "." * 4000, "\x00.\x00.\x00"])
def test_nonsense_is_refused(ada: App, token: str) -> None:
    assert is_refused(ada, token)
