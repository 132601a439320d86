"""Stripe's callbacks: ``Stripe-Signature: t=<unix>,v1=<hex hmac-sha256(secret, t + "." + raw body)>[,v1=…]``.

Source: docs.stripe.com/webhooks/signature. Two ``v1`` mean that the endpoint's secret is being rolled there; two
secrets of ours, that it is being changed here. ``v0`` and other schemes are never accepted. Unlike Stripe's SDK we
refuse the future as well as the past.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from payments.gateways.contract import DisputeNotice, WebhookIdentity, WebhookNotice, WebhookRefused
from payments.gateways.stripe import reading
from payments.gateways.stripe.json_words import NotUnderstood, Words, as_words, inner, moment, text

HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
_MAX_HEADER_LENGTH = 2048


def check_signature(header: str, body: bytes, *, secrets: Sequence[str], now: float) -> None:
    """Raises WebhookRefused unless one of ``secrets`` signed exactly ``body``, now or up to five minutes around it."""
    timestamp, signatures = _parse(header)
    genuine = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            genuine |= bool(secret) and hmac.compare_digest(expected, signature.encode())
    if not genuine:
        raise WebhookRefused("no signature fits", code="signature_wrong")
    if int(timestamp) < now - TOLERANCE_SECONDS:
        raise WebhookRefused("the callback is too old", code="signature_stale")
    if int(timestamp) > now + TOLERANCE_SECONDS:
        raise WebhookRefused("the callback is from the future", code="signature_from_the_future")


def _parse(header: str) -> tuple[str, list[str]]:
    if not header:
        raise WebhookRefused("the callback is not signed", code="signature_missing")
    parts = [part.strip().partition("=") for part in header[: _MAX_HEADER_LENGTH + 1].split(",")]
    timestamps = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    is_plain = len(header) <= _MAX_HEADER_LENGTH and header.isascii() and len(timestamps) == 1 and signatures
    if not is_plain or not timestamps[0].isdigit() or len(timestamps[0]) > 12:
        raise WebhookRefused("the signature header is malformed", code="signature_malformed")
    return timestamps[0], signatures


def identity_of(body: bytes) -> WebhookIdentity:
    try:
        event = _event(body)
        return WebhookIdentity(text(event, "id"), text(event, "type"), moment(event, "created"))
    except NotUnderstood as problem:
        raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None


def notices_of(body: bytes, *, publishable_key: str) -> list[WebhookNotice]:
    """What an event says of payments, refunds, disputes and saved methods of ours. Others on the same Stripe account
    (made by hand, or by another program) carry no number of ours and say nothing."""
    try:
        event = _event(body)
        translate = _TRANSLATORS.get(text(event, "type").rpartition(".")[0])
        if translate is None:
            return []
        subject = as_words(inner(event, "data").get("object"), what="data.object")
        notice = translate(subject, publishable_key)
        if isinstance(notice, DisputeNotice):
            # A dispute tells only when it was made; the event, when this was true of it.
            notice = replace(notice, occurred_at=moment(event, "created") or notice.occurred_at)
    except NotUnderstood as problem:
        raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
    return [] if notice is None else [notice]


def _event(body: bytes) -> Words:
    try:
        event = as_words(json.loads(body), what="event")
    except RecursionError:
        raise NotUnderstood("depth") from None
    except NotUnderstood:
        raise
    except ValueError:
        raise NotUnderstood("JSON") from None
    if event.get("object") != "event" or not text(event, "id") or not text(event, "type"):
        raise NotUnderstood("no event")
    return event


def _payment(intent: Words, publishable_key: str) -> WebhookNotice | None:
    result = reading.payment_result(intent, publishable_key=publishable_key)
    return result if result.reference else None


def _setup(intent: Words, publishable_key: str) -> WebhookNotice | None:
    result = reading.save_result(intent, publishable_key=publishable_key)
    return result if result.reference else None


def _refund(refund: Words, _publishable_key: str) -> WebhookNotice | None:
    result = reading.refund_result(refund)
    return result if result.reference else None


def _dispute(dispute: Words, _publishable_key: str) -> WebhookNotice | None:
    return reading.dispute_notice(dispute)


def _warning(warning: Words, _publishable_key: str) -> WebhookNotice | None:
    return reading.early_warning(warning)


_TRANSLATORS: dict[str, Callable[[Words, str], WebhookNotice | None]] = {
    "payment_intent": _payment,
    "setup_intent": _setup,
    "refund": _refund,
    "charge.refund": _refund,
    "charge.dispute": _dispute,
    "radar.early_fraud_warning": _warning,
}
"""By the type of the event without its last word; each carries the whole object as it was then."""
