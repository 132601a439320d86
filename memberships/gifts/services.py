"""A gift's life until it is redeemed: bought, paid, its code made and sent, or given back.

Locks: order → user → gift → code → subscription.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import User
from memberships.catalogue.known import plan_of, price_of
from memberships.gifts.codes import hash_code, new_code
from memberships.gifts.errors import DeliveryNotPossible, FreePlanIsNoGift, GiftNotReady
from memberships.invoices.drafting import ChargeLine, draft_invoice
from memberships.invoices.issuing import issue_invoice
from memberships.invoices.paying import mark_uncollectible
from memberships.invoices.tax import tax_for
from memberships.models import Gift, Invoice, Price, RedeemCode
from memberships.subscriptions.errors import PriceNotForSale
from memberships.subscriptions.pricing import interval_words
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.encryption import blind_index
from paycore.errors import NotFound
from paycore.models import Notification
from paycore.money import Money
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from paycore.notifications.strangers import name_for_strangers

LATEST_DELIVERY = timedelta(days=366)
LEASE = timedelta(seconds=60)
_INDEX = "memberships.gift.recipient"
Status = Gift.Status


@dataclass(frozen=True, slots=True)
class GiftDraft:
    """``recipient_email`` empty: the code goes to the buyer. ``deliver_at`` None: once it is paid."""

    buyer: User
    price_id: str
    recipient_email: str = ""
    message: str = ""
    deliver_at: datetime | None = None
    language: str = ""
    country: str = ""


def buy_gift(draft: GiftDraft, *, now: datetime) -> Gift:
    """An open gift with its invoice and order. PriceNotForSale, FreePlanIsNoGift, DeliveryNotPossible."""
    price = Price.objects.filter(id=draft.price_id, is_active=True, plan__is_active=True).first()
    if price is None:
        raise PriceNotForSale
    if plan_of(price.plan_id).tier.rank == 0:
        raise FreePlanIsNoGift
    if draft.deliver_at is not None and not now - timedelta(minutes=5) <= draft.deliver_at <= now + LATEST_DELIVERY:
        raise DeliveryNotPossible
    address = draft.recipient_email.strip().lower()
    tax = tax_for(draft.country, on=now.date(), is_inclusive=price.is_tax_inclusive)
    drafted = draft_invoice([_line(price, draft.buyer.locale)], tax=tax, credit=Money.zero(price.currency))
    with transaction.atomic():
        invoice = issue_invoice(
            drafted,
            kind=Invoice.Kind.GIFT,
            user_id=draft.buyer.id,
            subscription=None,
            country=draft.country,
            language=draft.buyer.locale,
            now=now,
        )
        return Gift.objects.create(
            buyer=draft.buyer,
            price=price,
            invoice=invoice,
            recipient_email=address or None,
            recipient_index=blind_index(address, context=_INDEX) if address else b"",
            message=draft.message or None,
            language=draft.language or draft.buyer.locale,
            deliver_at=draft.deliver_at,
        )


def issue_gift(invoice: Invoice, *, now: datetime) -> None:
    """Its invoice is paid, in the running transaction or its own: the code is made and sent, now or when the buyer
    wanted it. Safe to run twice."""
    with transaction.atomic():
        gift = Gift.objects.select_for_update(no_key=True).get(invoice=invoice)
        if gift.status not in (Status.OPEN, Status.VOID) or gift.delivered_at is not None:
            return
        wait = max(timedelta(0), gift.deliver_at - now) if gift.deliver_at else timedelta(0)
        # By the plain clock: the buyer's may be ahead in a sandbox, and the claim knows nobody's.
        gift.status, gift.ended_at, gift.next_attempt_at = Status.READY, None, database_now() + wait
        gift.save(update_fields=["status", "ended_at", "next_attempt_at"])
        if not wait:
            _hand_over(gift, now=now)


def due_gifts(*, limit: int) -> list[str]:
    """Ids of paid gifts whose code must be sent, leased so that workers share the work."""
    return claim_due(Gift, lease=LEASE, limit=limit, condition="next_attempt_at IS NOT NULL")


def deliver(gift_id: str) -> None:
    """Make the code and write it to whoever gets it, once."""
    with transaction.atomic():
        gift = Gift.objects.select_for_update(no_key=True).get(id=gift_id)
        if gift.status == Status.READY and gift.delivered_at is None:
            _hand_over(gift, now=database_now(subject=gift.buyer_id))


def replace_code(gift_id: str, *, buyer_id: str, now: datetime) -> tuple[Gift, str]:
    """A new code for the buyer to pass on; the earlier one stops working. The only time that it can be read.

    NotFound, GiftNotReady.
    """
    with transaction.atomic():
        gift = Gift.objects.select_for_update(no_key=True).filter(id=gift_id, buyer_id=buyer_id).first()
        if gift is None:
            raise NotFound
        if gift.status != Status.READY:
            raise GiftNotReady(status=gift.status)
        code = _make_code(gift, now=now)
        gift.delivered_at, gift.next_attempt_at = now, None
        gift.save(update_fields=["delivered_at", "next_attempt_at"])
    return gift, code


def forget_unpaid(invoice: Invoice, *, now: datetime) -> None:
    """Its order was cancelled or has expired. Safe to run twice."""
    with transaction.atomic():
        gift = Gift.objects.select_for_update(no_key=True).get(invoice=invoice)
        if gift.status == Status.OPEN:
            gift.status, gift.ended_at = Status.VOID, now
            gift.save(update_fields=["status", "ended_at"])
            mark_uncollectible(invoice, now=now)


def void_codes(gift: Gift, *, now: datetime) -> None:
    """Under the gift's lock; also those that wait to be mailed."""
    RedeemCode.objects.filter(gift=gift, voided_at__isnull=True).update(voided_at=now)
    Notification.objects.filter(key=_mail_key(gift)).delete()


def forget_gifts(user: User) -> None:
    """Of a person who is erased: what they wrote, and their address where somebody gave them something. What they paid
    for to be sent later is sent now, while it is known to whom."""
    waiting = Gift.objects.filter(buyer=user, status=Status.READY, delivered_at=None, recipient_email__isnull=False)
    for gift_id in waiting.values_list("id", flat=True):
        deliver(gift_id)
    Gift.objects.filter(buyer=user).update(message=None, recipient_email=None, recipient_index=b"")
    if user.email:
        index = blind_index(user.email, context=_INDEX)
        Gift.objects.filter(recipient_index=index).update(message=None, recipient_email=None, recipient_index=b"")


def _hand_over(gift: Gift, *, now: datetime) -> None:
    code = _make_code(gift, now=now)
    _mail_code(gift, code)
    gift.delivered_at, gift.next_attempt_at = now, None
    gift.save(update_fields=["delivered_at", "next_attempt_at"])


def _make_code(gift: Gift, *, now: datetime) -> str:
    void_codes(gift, now=now)
    code = new_code()
    RedeemCode.objects.create(gift=gift, digest=hash_code(code), last_four=code[-4:])
    return code


def _mail_code(gift: Gift, code: str) -> None:
    price = price_of(gift.price_id)
    with translation.override(gift.language):
        length = interval_words(price)
    context = {
        "plan_name": price.plan.name(gift.language),
        "length": length,
        "buyer_name": name_for_strangers(gift.buyer.name),
        "message": gift.message or "",
        "code": code,
    }
    if gift.recipient_email:
        to = Recipient(email=gift.recipient_email, language=gift.language)
        notify(template="gift_received", to=to, context=context, key=_mail_key(gift))
        occasion = f"gift_sent:{gift.id}"
        notify(template="gift_sent", to=Recipient(user_id=gift.buyer_id), context=_sent(gift, price), key=occasion)
    else:
        notify(template="gift_code", to=Recipient(user_id=gift.buyer_id), context=context, key=_mail_key(gift))


def _sent(gift: Gift, price: Price) -> dict[str, str]:
    locale = gift.buyer.locale
    with translation.override(locale):
        return {"plan_name": price.plan.name(locale), "length": interval_words(price)}


def _mail_key(gift: Gift) -> str:
    return f"gift_code:{gift.id}"


def _line(price: Price, language: str) -> ChargeLine:
    plan = plan_of(price.plan_id)
    with translation.override(language):
        words = f"{plan.name(language)} · {interval_words(price)} · {gettext('gift')}"
    return ChargeLine("gift", words, price.amount, plan=plan.id, price=price.id)
