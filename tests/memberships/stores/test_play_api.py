"""The Google Play Developer API as we call it, against a server of our own on this machine."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from memberships.stores.google.play_api import (
    SCOPE,
    TOKEN_URL,
    GooglePlayApi,
    PlayUnavailable,
    PurchaseUnknown,
    checked_credentials,
)
from paycore import http
from tests.memberships.stores.google import GoogleKeys

pytestmark = pytest.mark.django_db


class FakePlay:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.status, self.answer = 200, {"subscriptionState": "SUBSCRIPTION_STATE_ACTIVE"}
        self.token_answer: Any = {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}
        play = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                play.requests.append((self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()}))
                is_token = self.path == "/token"
                raw = json.dumps(play.token_answer if is_token else play.answer).encode()
                self.send_response(200 if is_token else play.status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _serve

            def log_message(self, *_arguments: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def fake() -> Iterator[FakePlay]:
    made = FakePlay()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="session")
def key_file(google_keys: GoogleKeys) -> str:
    pem = google_keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    document = {
        "type": "service_account",
        "client_email": "play@example.iam.gserviceaccount.com",
        "private_key_id": "abc",
        "private_key": pem,
        "project_id": "x",
    }
    return json.dumps(document)


@pytest.fixture
def api(fake: FakePlay, key_file: str) -> GooglePlayApi:
    return GooglePlayApi(checked_credentials(key_file), base_url=fake.url, token_url=f"{fake.url}/token")


def test_a_token_is_asked_about_with_a_signed_service_account(
    api: GooglePlayApi, fake: FakePlay, google_keys: GoogleKeys
) -> None:
    for _ in range(2):
        assert api.get_subscription("com.example.app", "a/b+c")["subscriptionState"] == "SUBSCRIPTION_STATE_ACTIVE"
    paths = [path for _method, path, _body, _headers in fake.requests]
    address = "/androidpublisher/v3/applications/com.example.app/purchases/subscriptionsv2/tokens/a%2Fb%2Bc"
    assert paths == ["/token", address, address]  # one access token for both
    form = parse_qs(fake.requests[0][2].decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(form["assertion"][0], google_keys.key.public_key(), algorithms=["RS256"], audience=TOKEN_URL)
    assert (claims["iss"], claims["scope"]) == ("play@example.iam.gserviceaccount.com", SCOPE)
    assert claims["exp"] - claims["iat"] == 3600
    assert fake.requests[1][3]["authorization"] == "Bearer ya29.x"


def test_a_purchase_is_acknowledged(api: GooglePlayApi, fake: FakePlay) -> None:
    api.acknowledge("com.example.app", "premium_monthly", "tok")
    method, path, body, _headers = fake.requests[-1]
    assert (method, body) == ("POST", b"{}")
    assert path.endswith("/purchases/subscriptions/premium_monthly/tokens/tok:acknowledge")
    fake.status = 400  # asked again, and seen: Google would give the money back
    with pytest.raises(PlayUnavailable):
        api.acknowledge("com.example.app", "premium_monthly", "tok")


@pytest.mark.parametrize("status", [400, 404, 410])
def test_an_unknown_token_is_unknown(api: GooglePlayApi, fake: FakePlay, status: int) -> None:
    fake.status = status
    with pytest.raises(PurchaseUnknown):
        api.get_subscription("com.example.app", "tok")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 302])
def test_anything_else_is_asked_again(api: GooglePlayApi, fake: FakePlay, status: int) -> None:
    fake.status = status
    with pytest.raises(PlayUnavailable):
        api.get_subscription("com.example.app", "tok")


def test_an_access_token_that_was_refused_is_not_kept(api: GooglePlayApi, fake: FakePlay) -> None:
    fake.status = 401
    for _ in range(2):
        with pytest.raises(PlayUnavailable):
            api.get_subscription("com.example.app", "tok")
    assert [path for _method, path, _body, _headers in fake.requests].count("/token") == 2


@pytest.mark.parametrize("answer", [{}, {"access_token": ""}, {"access_token": 5}, [], {"access_token": "é"}])
def test_an_odd_token_answer_is_no_token(api: GooglePlayApi, fake: FakePlay, answer: Any) -> None:
    fake.token_answer = answer
    with pytest.raises(PlayUnavailable):
        api.get_subscription("com.example.app", "tok")


def test_a_dead_address_is_unavailable(key_file: str) -> None:
    api = GooglePlayApi(checked_credentials(key_file), base_url="http://127.0.0.1:1", token_url="http://127.0.0.1:1/t")
    with pytest.raises(PlayUnavailable):
        api.get_subscription("com.example.app", "tok")
    http.client().close()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"client_email": "a@b", "private_key": "x"}'])
def test_what_is_no_key_file_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        checked_credentials(text)


def test_only_what_signs_is_kept(key_file: str) -> None:
    assert set(checked_credentials(key_file)) == {"client_email", "private_key", "private_key_id"}
