"""PayPal's callbacks: verified offline, and believed only as a hint.

The signature is over ``transmission id | time | webhook id | CRC32 of the body``. A CRC32 binds nothing: under one
genuine signature anybody can send another body. So what a callback tells is only *what to ask about*: its notices are
PENDING, without amounts, and the API is asked before anything is believed
(https://developer.paypal.com/api/rest/webhooks/rest/).
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.contract import (
    DisputeNotice,
    DisputeStatus,
    Outcome,
    PaymentResult,
    RefundResult,
    SavedMethod,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)
from payments.gateways.paypal.certificates import CertificateStore
from payments.gateways.paypal.orders import CLOSED_PREFIX, NotUnderstood, moment, text

DEFAULT_MAX_AGE_SECONDS = 300
_ALGORITHM = "SHA256withRSA"
_MAX_HEADER_LENGTH = 2048
_MAX_EVENT_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Verifier:
    """``max_age_seconds``: PayPal repeats a callback for three days and does not say whether it signs it anew; where
    repeats are refused as stale, raise it. A replay does no harm: it only asks again."""

    certificates: CertificateStore
    webhook_id: str
    clock: Callable[[], float]
    max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS

    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        transmission_id = _header(headers, "paypal-transmission-id")
        transmitted_at = _header(headers, "paypal-transmission-time")
        if _header(headers, "paypal-auth-algo") != _ALGORITHM:
            raise WebhookRefused("another algorithm than agreed", code="wrong_algorithm")
        signature = _signature(_header(headers, "paypal-transmission-sig"))
        if not self.webhook_id or "|" in transmission_id:
            raise WebhookRefused("no webhook id is set up", code="no_webhook_id")
        self._require_fresh(transmitted_at)
        certificate = self.certificates.get(_header(headers, "paypal-cert-url"))
        message = f"{transmission_id}|{transmitted_at}|{self.webhook_id}|{zlib.crc32(body)}"
        if not certificate.verify(signature, message.encode()):
            raise WebhookRefused("the callback's signature is refused", code="forged")
        return _identity(body)

    def _require_fresh(self, transmitted_at: str) -> None:
        sent = moment(transmitted_at)
        if sent is None:
            raise WebhookRefused("the callback has no time", code="malformed")
        age = self.clock() - sent.timestamp()
        if age > self.max_age_seconds:
            raise WebhookRefused("the callback is stale", code="stale")
        if age < -DEFAULT_MAX_AGE_SECONDS:
            raise WebhookRefused("the callback is from the future", code="future")


def translate(body: bytes) -> list[WebhookNotice]:
    """What to ask about. A kind that is not listed says nothing about money."""
    event = read_event(body)
    for prefix, read in _READERS:
        if event["event_type"].startswith(prefix):
            try:
                notice = read(event["resource"])
            except (NotUnderstood, ValueError, TypeError, AttributeError) as problem:
                raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
            return [] if notice is None else [notice]
    return []


def read_event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("resource"), dict):
        raise WebhookRefused("the callback is not an event", code="malformed")
    if not all(isinstance(event.get(name), str) and event[name] for name in ("id", "event_type")):
        raise WebhookRefused("the callback is not an event", code="malformed")
    if len(event["id"]) > _MAX_EVENT_ID_LENGTH:
        raise WebhookRefused("the callback's id is too long", code="malformed")
    return event


def _identity(body: bytes) -> WebhookIdentity:
    """The event's id and a digest of its body: a forged body under a genuine signature must not stand in the way of
    the genuine one, as a duplicate of it."""
    event = read_event(body)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return WebhookIdentity(
        event_id=f"{event['id']}.{digest}",
        event_type=event["event_type"],
        occurred_at=moment(event.get("create_time")),
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > _MAX_HEADER_LENGTH:
        raise WebhookRefused(f"the callback has no {name}", code="unsigned")
    return value


def _signature(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefused("the callback's signature is malformed", code="forged") from None


def _order_hint(resource: Mapping[str, Any]) -> PaymentResult | None:
    units = resource.get("purchase_units")
    unit = units[0] if isinstance(units, list) and units else {}
    order_id = text(resource, "id") or text(resource, "order_id")
    return _payment_hint(text(unit, "custom_id"), order_id)


def _transaction_hint(resource: Mapping[str, Any]) -> PaymentResult | None:
    """Of a capture or an authorization."""
    related = (resource.get("supplementary_data") or {}).get("related_ids") or {}
    return _payment_hint(text(resource, "custom_id"), text(related, "order_id"))


def _payment_hint(custom_id: str, order_id: str) -> PaymentResult | None:
    reference = custom_id.removeprefix(CLOSED_PREFIX)
    if not reference and not order_id:
        return None
    return PaymentResult(reference=reference, outcome=Outcome.PENDING, gateway_reference=order_id)


def _refund_hint(resource: Mapping[str, Any]) -> RefundResult | None:
    reference = text(resource, "custom_id")
    if not reference:
        return None
    return RefundResult(
        reference=reference,
        outcome=Outcome.PENDING,
        gateway_reference=text(resource, "id"),
        payment_reference=text(resource, "invoice_id"),
    )


def _dispute_hint(resource: Mapping[str, Any]) -> DisputeNotice | None:
    dispute_id = text(resource, "dispute_id")
    if not dispute_id:
        return None
    return DisputeNotice(
        gateway_reference=dispute_id,
        payment_reference="",
        status=DisputeStatus.UNDER_REVIEW,
        amount_minor=0,
        currency="",
    )


def _kept_hint(resource: Mapping[str, Any]) -> PaymentResult | None:
    """Kept with a payment: the order tells the token. One kept without is asked for by us anyway."""
    order_id = text(resource.get("metadata"), "order_id")
    return _payment_hint("", order_id)


def _ended_hint(resource: Mapping[str, Any]) -> SaveResult | None:
    token = text(resource, "id")
    if not token:
        return None
    customer = text(resource.get("customer"), "id")
    saved = SavedMethod(token=token, customer_reference=customer, brand="paypal")
    return SaveResult(reference="", outcome=Outcome.PENDING, gateway_reference=token, saved=saved)


_READERS: tuple[tuple[str, Callable[[Mapping[str, Any]], WebhookNotice | None]], ...] = (
    ("CHECKOUT.", _order_hint),
    ("PAYMENT.AUTHORIZATION.", _transaction_hint),
    ("PAYMENT.CAPTURE.REFUNDED", _refund_hint),
    ("PAYMENT.CAPTURE.", _transaction_hint),
    ("PAYMENT.REFUND.", _refund_hint),
    ("CUSTOMER.DISPUTE.", _dispute_hint),
    ("VAULT.PAYMENT-TOKEN.CREATED", _kept_hint),
    ("VAULT.PAYMENT-TOKEN.DELET", _ended_hint),
)
