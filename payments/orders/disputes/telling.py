"""Mails about disputes: to the merchant's people who look after money, and, when nobody answers, to staff."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from merchants.models import Merchant, MerchantMember
from paycore.alerts import raise_alert
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.orders.disputes.models import Dispute

MERCHANT_HEARS_BEFORE = timedelta(hours=48)
STAFF_HEARS_BEFORE = timedelta(hours=24)
BATCH = 200
_ROLES = (MerchantMember.Role.OWNER, MerchantMember.Role.FINANCE)
_OPEN = (Dispute.Status.WARNING, Dispute.Status.NEEDS_RESPONSE)
_UNANSWERED = (Dispute.Answer.OPEN, Dispute.Answer.REFUSED)


def tell_merchant(dispute: Dispute, *, template: str, occasion: str) -> None:
    """Owners and finance people, once for each ``occasion``."""
    members = MerchantMember.objects.filter(merchant_id=dispute.merchant_id, role__in=_ROLES)
    name = Merchant.objects.only("name").get(id=dispute.merchant_id).name
    context: dict[str, str | int] = {
        "merchant_name": name,
        "dispute_id": dispute.id,
        "payment_id": dispute.payment_id,
        "reason": dispute.reason,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.currency,
        "address": f"{settings.PAYCORE_BASE_URL}/merchant/payments/dispute/{dispute.id}/change/",
    }
    if dispute.evidence_due_at:
        context["due_at"] = dispute.evidence_due_at.isoformat()
    for user_id in members.values_list("user_id", flat=True):
        notify(
            template=template,
            to=Recipient(user_id=str(user_id)),
            context=context,
            key=f"{template}:{dispute.id}:{occasion}:{user_id}"[:160],
        )


def remind_of_disputes(*, now: datetime) -> int:
    """Of every dispute that nobody has answered and whose date is near; how many. Safe to repeat: each of the two
    moments counts once for a date."""
    near = Dispute.objects.filter(
        next_attempt_at__isnull=False,
        status__in=_OPEN,
        answer__in=_UNANSWERED,
        evidence_due_at__gt=now,
        evidence_due_at__lte=now + MERCHANT_HEARS_BEFORE,
    )
    return sum(_remind(dispute_id, now=now) for dispute_id in near.values_list("id", flat=True)[:BATCH])


def _remind(dispute_id: str, *, now: datetime) -> bool:
    with transaction.atomic():
        dispute = Dispute.objects.select_for_update(no_key=True).get(id=dispute_id)
        due_at, told_at = dispute.evidence_due_at, dispute.reminded_at
        if due_at is None or dispute.answer not in _UNANSWERED or dispute.status not in _OPEN:
            return False
        moments = [due_at - MERCHANT_HEARS_BEFORE, due_at - STAFF_HEARS_BEFORE]
        passed = [moment for moment in moments if moment <= now]
        if not passed or (told_at is not None and told_at >= passed[-1]):
            return False
        dispute.reminded_at = now
        dispute.save(update_fields=["reminded_at", "updated_at"])
        if told_at is None or told_at < moments[0]:
            tell_merchant(dispute, template="dispute_due", occasion=f"{due_at:%Y-%m-%dT%H}")
        if len(passed) == len(moments):
            raise_alert(what="dispute unanswered", object_id=dispute.id, now=now)
    return True
