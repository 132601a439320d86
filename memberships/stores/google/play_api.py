"""Google's side of a subscription, as far as we need it: ask about a token, acknowledge a purchase.

Which one speaks for an account: :func:`connect`. The simulator stands in for it on one machine and in tests.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from django.conf import settings
from google.auth import jwt
from google.auth.crypt import RSASigner

from memberships.models import StoreAccount
from paycore.http import OutboundError, OutboundRequest, OutboundResponse, client
from paycore.parsers import BodyRefused, loads_strict

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 an address
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_MOST_ANSWER_BYTES = 256 * 1024
_LIFETIME_SECONDS = 3600
_RENEWED_BEFORE_SECONDS = 120


class PlayUnavailable(Exception):
    """No usable answer; ask again later. The text is for the log."""


class PurchaseUnknown(Exception):
    """Google knows no such token for this app, or no longer."""


class PlayApi(Protocol):
    """What Google Play answers."""

    def get_subscription(self, package: str, token: str) -> Mapping[str, Any]:
        """``SubscriptionPurchaseV2``. :class:`PurchaseUnknown`, :class:`PlayUnavailable`."""

    def acknowledge(self, package: str, product: str, token: str) -> None:
        """Safe to repeat. :class:`PurchaseUnknown`, :class:`PlayUnavailable`."""


class GooglePlayApi:
    """The Google Play Developer API, version 3, with a service account's key. Thread-safe enough: two threads may each
    fetch an access token."""

    def __init__(self, credentials: Mapping[str, str], *, base_url: str, token_url: str = TOKEN_URL) -> None:
        self._credentials = credentials
        self._base_url = base_url.rstrip("/")
        self._token_url = token_url
        self._access: tuple[str, float] = ("", 0.0)

    def get_subscription(self, package: str, token: str) -> Mapping[str, Any]:
        path = f"{quote(package, safe='')}/purchases/subscriptionsv2/tokens/{quote(token, safe='')}"
        answer = _json(self._call("GET", path, unknown=(400, 404, 410)))  # 400 is what a made-up token gets
        if not isinstance(answer, dict):
            raise PlayUnavailable("not an object")
        return answer

    def acknowledge(self, package: str, product: str, token: str) -> None:
        names = [quote(name, safe="") for name in (package, product, token)]
        path = "{}/purchases/subscriptions/{}/tokens/{}:acknowledge".format(*names)
        self._call("POST", path, body=b"{}", unknown=(404, 410))

    def _call(self, method: str, path: str, *, unknown: tuple[int, ...], body: bytes = b"") -> bytes:
        headers = {"authorization": f"Bearer {self._access_token()}", "content-type": "application/json"}
        url = f"{self._base_url}/androidpublisher/v3/applications/{path}"
        response = _send(OutboundRequest(method, url, headers, body, max_response_bytes=_MOST_ANSWER_BYTES))
        if response.status in unknown:
            raise PurchaseUnknown(str(response.status))
        if response.status == 401:
            self._access = ("", 0.0)
        if response.status not in (200, 204):
            raise PlayUnavailable(f"status {response.status}")
        return response.body

    def _access_token(self) -> str:
        token, good_until = self._access
        if time.monotonic() < good_until:
            return token
        form = {"grant_type": GRANT, "assertion": self._assertion()}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        response = _send(OutboundRequest("POST", self._token_url, headers, urlencode(form).encode()))
        answer = _json(response.body) if response.status == 200 else None
        token = answer.get("access_token", "") if isinstance(answer, dict) else ""
        if not isinstance(token, str) or not token.isascii() or not token:
            raise PlayUnavailable(f"no access token: {response.status}")
        self._access = (token, time.monotonic() + _LIFETIME_SECONDS - _RENEWED_BEFORE_SECONDS)
        return token

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self._credentials.get("client_email", ""),
            "scope": SCOPE,
            "aud": TOKEN_URL,
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        try:
            signer = RSASigner.from_service_account_info(self._credentials)
            return str(jwt.encode(signer, claims).decode())
        except (ValueError, TypeError, AttributeError) as error:
            raise PlayUnavailable("the service account's key cannot be used") from error


def _send(request: OutboundRequest) -> OutboundResponse:
    try:
        return client().send(request)
    except OutboundError as error:
        raise PlayUnavailable(type(error).__name__) from error


def _json(body: bytes) -> Any:
    try:
        return loads_strict(body, max_bytes=_MOST_ANSWER_BYTES)
    except BodyRefused as error:
        raise PlayUnavailable("not JSON") from error


STAND_INS: dict[str, PlayApi] = {}
"""By package name, where gateways may be replaced: tests and one machine."""

_connected: dict[tuple[str, object], PlayApi] = {}


def connect(account: StoreAccount) -> PlayApi:
    """Who answers for this account, rebuilt when the account changes."""
    if settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED and account.bundle_id in STAND_INS:
        return STAND_INS[account.bundle_id]
    key = (account.id, account.updated_at)
    if key not in _connected:
        _connected[key] = GooglePlayApi(account.credentials, base_url=settings.PAYCORE_PLAY_ADDRESS)
    return _connected[key]


def checked_credentials(text: str) -> dict[str, str]:
    """Of a service account's key file, what is needed. ``ValueError`` when it cannot sign."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a service account's key file")
    needed = {name: document.get(name) for name in ("client_email", "private_key", "private_key_id")}
    RSASigner.from_service_account_info(needed)
    if not needed["client_email"]:
        raise ValueError("no client_email")
    return {name: str(value) for name, value in needed.items() if value}
