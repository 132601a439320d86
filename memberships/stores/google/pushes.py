"""Google Play's pushes: the sender proved by Pub/Sub's OIDC token, kept once, and taken as a hint to ask."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2.id_token import verify_token

from memberships.models import Store, StoreAccount, StoreNotice, StoreToken
from memberships.stores.accounts import believed_accounts
from memberships.stores.bells import PLAY_TOKENS
from memberships.stores.errors import StoreMessageRefused, StoreUnreachable
from memberships.stores.google.http_request import CERTIFICATES_URL, certificates_request
from memberships.stores.moments import from_milliseconds
from paycore import bell
from paycore.clock import database_now
from paycore.parsers import CALLBACK_BODY_BYTES, BodyRefused, loads_strict

log = structlog.get_logger(__name__)

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_SKEW_SECONDS = 10
_MOST_TOKEN_CHARACTERS = 4096
_KINDS = {
    "subscriptionNotification": "subscription",
    "voidedPurchaseNotification": "voided",
    "oneTimeProductNotification": "one_time",
    "testNotification": "test",
}
_SUBSCRIPTION_PRODUCT = 1
_FULL_REFUND = 1


@dataclass(frozen=True, slots=True)
class Push:
    """One RTDN. ``purchase_token`` is empty for what is not about a subscription."""

    message_id: str
    package: str
    kind: str
    purchase_token: str
    happened_at: datetime
    voided_order: str = ""


def store_push(authorization: str, body: bytes) -> bool:
    """Verify, keep once, make the token due; False when it is known. :class:`StoreMessageRefused`; StoreUnreachable
    when Google's certificates cannot be had, so that the push comes again."""
    push = _read(body)
    account = _sender(authorization, push)
    return _keep(account, push)


def _read(body: bytes) -> Push:
    try:
        envelope = loads_strict(body, max_bytes=CALLBACK_BODY_BYTES)
        message = envelope["message"]
        content = base64.b64decode(message["data"], validate=True)
        told = loads_strict(content, max_bytes=CALLBACK_BODY_BYTES)
        return _push(message["messageId"], told)
    except (BodyRefused, binascii.Error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreMessageRefused from error


def _push(message_id: Any, told: Any) -> Push:
    happened_at = from_milliseconds(told["eventTimeMillis"])
    name = next((name for name in _KINDS if name in told), "")
    detail = told[name] if name else {}
    if happened_at is None or not isinstance(detail, dict):
        raise ValueError("not an RTDN")
    is_ours = name == "subscriptionNotification" or _takes_back(name, detail)
    kind = f"{_KINDS.get(name, 'unknown')}/{detail.get('notificationType', '')}".rstrip("/")
    return Push(
        message_id=_text(message_id, most=128),
        package=_text(told["packageName"], most=155),
        kind=kind[:80],
        purchase_token=_text(detail["purchaseToken"], most=1024) if is_ours else "",
        happened_at=happened_at,
        voided_order=_text(detail["orderId"], most=255) if is_ours and name != "subscriptionNotification" else "",
    )


def _takes_back(name: str, detail: Mapping[str, Any]) -> bool:
    """A part of an order given back ends nothing."""
    is_subscription = detail.get("productType") == _SUBSCRIPTION_PRODUCT
    return name == "voidedPurchaseNotification" and is_subscription and detail.get("refundType") == _FULL_REFUND


def _text(value: Any, *, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise ValueError("not an RTDN")
    return value


def _sender(authorization: str, push: Push) -> StoreAccount:
    scheme, _space, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= _MOST_TOKEN_CHARACTERS:
        raise StoreMessageRefused
    for account in believed_accounts(Store.GOOGLE_PLAY, push.package):
        if _is_sent_to(account, token):
            return account
    raise StoreMessageRefused


def _is_sent_to(account: StoreAccount, token: str) -> bool:
    """Google signed it, for our audience, and the sender is the service account that we named."""
    try:
        claims = verify_token(
            token,
            certificates_request,  # type: ignore[arg-type]  # a function of the same call is one
            audience=account.push_audience,
            certs_url=CERTIFICATES_URL,
            clock_skew_in_seconds=_SKEW_SECONDS,
        )
    except TransportError as error:
        raise StoreUnreachable(retry_after_seconds=10) from error
    except (GoogleAuthError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("store_push_refused", account=account.id, reason=type(error).__name__)
        return False
    is_google = claims.get("iss") in ISSUERS
    is_sender = claims.get("email") == account.push_email and claims.get("email_verified") is True
    if not (is_google and is_sender):
        log.warning("store_push_refused", account=account.id, reason="issuer" if not is_google else "sender")
    return is_google and is_sender


def _keep(account: StoreAccount, push: Push) -> bool:
    with transaction.atomic():
        _notice, is_new = StoreNotice.objects.get_or_create(
            account=account,
            event_id=push.message_id,
            defaults={
                "kind": push.kind,
                "reference": push.purchase_token,
                "facts": {"voided_order": push.voided_order} if push.voided_order else {},
                "signed_at": push.happened_at,
            },
        )
        if is_new and push.purchase_token:
            _make_due(account, push)
            bell.ring_on_commit(PLAY_TOKENS)
    return is_new


def _make_due(account: StoreAccount, push: Push) -> None:
    row, _made = StoreToken.objects.get_or_create(account=account, token=push.purchase_token)
    row = StoreToken.objects.select_for_update(no_key=True).get(id=row.id)
    if push.voided_order:
        row.voided_orders.setdefault(push.voided_order, push.happened_at.isoformat())
    row.attempts, row.next_attempt_at = 0, database_now()
    row.save(update_fields=["voided_orders", "attempts", "next_attempt_at"])
