"""What payers agreed that may be taken unasked: recorded with the consent, in force when the method is saved, ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from payments.events import MandateAgreed, MandateEnded
from payments.gateways.contract import MandateTerms
from payments.methods.models import Mandate, PaymentMethod


@dataclass(frozen=True, slots=True)
class Device:
    """Where the payer agreed."""

    ip_address: str = ""
    device_id: str = ""
    user_agent: str = ""


def consent_as_row(agreed: Mapping[str, Any], *, device: Device, now: datetime) -> dict[str, Any]:
    """A consent as JSON, for a payment's record: ``agreed`` as the API checked it."""
    first_charge_at = agreed.get("first_charge_at")
    return {
        "text_version": agreed["text_version"],
        "language": agreed["language"],
        "accepted_at": now.isoformat(),
        "ip_address": device.ip_address,
        "device_id": device.device_id[:64],
        "user_agent": device.user_agent[:200],
        "max_amount_minor": agreed.get("max_amount_minor"),
        "currency": agreed.get("currency", ""),
        "interval": agreed.get("interval", ""),
        "interval_count": agreed.get("interval_count", 1),
        "first_charge_at": first_charge_at.isoformat() if first_charge_at else None,
    }


def terms_of(consent: Mapping[str, Any] | None) -> MandateTerms | None:
    """What a provider wants to hear of it; None when no amount was agreed."""
    if not consent or not consent["max_amount_minor"]:
        return None
    return MandateTerms(
        max_amount_minor=consent["max_amount_minor"],
        currency=consent["currency"],
        interval=consent["interval"] or "month",
        interval_count=consent["interval_count"],
        first_charge_at=_moment(consent["first_charge_at"]),
    )


def record_mandate(
    method: PaymentMethod, *, merchant_id: str, consent: Mapping[str, Any], status: Mandate.Status
) -> Mandate:
    """In the running transaction. One that is in force for the same merchant gives way to it."""
    mandate = Mandate(
        payment_method=method,
        merchant_id=merchant_id,
        text_version=consent["text_version"],
        language=consent["language"],
        accepted_at=_moment(consent["accepted_at"]) or database_now(),
        ip_address=consent["ip_address"] or None,
        device_id=consent["device_id"],
        user_agent=consent["user_agent"],
        max_amount_minor=consent["max_amount_minor"],
        currency=consent["currency"],
        interval=consent["interval"],
        interval_count=consent["interval_count"],
        first_charge_at=_moment(consent["first_charge_at"]),
    )
    mandate.save(force_insert=True)
    if status == Mandate.Status.ACTIVE:
        _agree(mandate, now=database_now())
    return mandate


def agree_pending(method: PaymentMethod, *, now: datetime) -> None:
    """Its method is saved: what was agreed for it holds."""
    for mandate in method.mandates.filter(status=Mandate.Status.PENDING).order_by("id"):
        _agree(mandate, now=now)


def move_mandates(source: PaymentMethod, target: PaymentMethod, *, now: datetime) -> None:
    """The same card is ``target``: what was agreed for ``source`` is written down there, and holds."""
    for mandate in source.mandates.exclude(status=Mandate.Status.ENDED).order_by("id"):
        copied = Mandate.objects.get(id=mandate.id)
        copied.pk, copied.payment_method, copied.status = Mandate._meta.pk.get_default(), target, "pending"
        copied._state.adding = True
        copied.save(force_insert=True)
        _end(mandate, now=now, by="merged")
        _agree(copied, now=now)


def end_mandates(method: PaymentMethod, *, now: datetime, by: str) -> None:
    for mandate in method.mandates.exclude(status=Mandate.Status.ENDED).order_by("id"):
        _end(mandate, now=now, by=by)


def end_mandate(mandate_id: str, *, by: str, reason: str = "") -> Mandate:
    """No charge under it from now on. Ended twice is ended once. NotFound."""
    with transaction.atomic():
        mandate = Mandate.objects.select_for_update(no_key=True).filter(id=mandate_id).first()
        if mandate is None:
            raise NotFound
        if mandate.status != Mandate.Status.ENDED:
            _end(mandate, now=database_now(), by=by, reason=reason)
    return mandate


def _agree(mandate: Mandate, *, now: datetime) -> None:
    before = Mandate.objects.filter(
        payment_method_id=mandate.payment_method_id, merchant_id=mandate.merchant_id, status=Mandate.Status.ACTIVE
    )
    for replaced in before.exclude(id=mandate.id):
        _end(replaced, now=now, by="replaced")
    mandate.status = Mandate.Status.ACTIVE
    mandate.save(update_fields=["status"])
    publish(MandateAgreed(mandate.id, mandate.payment_method_id, mandate.merchant_id))


def _end(mandate: Mandate, *, now: datetime, by: str, reason: str = "") -> None:
    """Nobody is told of the end of what never was in force."""
    was_active = mandate.status == Mandate.Status.ACTIVE
    mandate.status, mandate.ended_at, mandate.ended_by = Mandate.Status.ENDED, now, by[:40]
    mandate.end_reason = reason[:300]
    mandate.save(update_fields=["status", "ended_at", "ended_by", "end_reason"])
    if was_active:
        publish(MandateEnded(mandate.id, mandate.payment_method_id, mandate.merchant_id, by[:40]))


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None
