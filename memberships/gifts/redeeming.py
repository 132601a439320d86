"""What a code gives, once: time behind the person's own subscription, or a grant.

Locks: the user's row first (their grants do not overlap), then gift, code and subscription: of any number of people
with one code the first one has it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.models import User
from memberships.catalogue.known import price_of
from memberships.gifts.codes import digest_of
from memberships.gifts.errors import CodeNotValid
from memberships.gifts.granting import GrantDraft, grant_time
from memberships.invoices.holding import begin_gift
from memberships.models import CodeBatch, Gift, Grant, Period, RedeemCode, Redemption, Subscription
from memberships.subscriptions.bonus import append_bonus, takes_bonus
from memberships.subscriptions.errors import SoldElsewhere
from memberships.subscriptions.rails import manage_url
from memberships.subscriptions.recording import Why, lock_subscription
from memberships.transitions import LIVE


@dataclass(frozen=True, slots=True)
class Worth:
    """``interval_count`` intervals of a plan."""

    plan_id: str
    interval: str
    interval_count: int
    source: Grant.Source


def redeem(typed: str, *, user: User, now: datetime) -> Redemption:
    """CodeNotValid for every code that gives this person nothing; SoldElsewhere and RenewalUnderWay leave the code
    good."""
    digest = digest_of(typed)
    known = RedeemCode.objects.filter(digest=digest).first() if digest else None
    if known is None:
        raise CodeNotValid
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.id)
        gift = Gift.objects.select_for_update(no_key=True).get(id=known.gift_id) if known.gift_id else None
        rows = RedeemCode.objects.select_for_update(of=("self",), no_key=True).select_related("batch")
        code = rows.get(id=known.id)
        _require_good(code, gift, user_id=user.id, now=now)
        worth = _worth(code, gift)
        RedeemCode.objects.filter(id=code.id).update(uses=F("uses") + 1)
        redemption = _give(worth, code, user_id=user.id, now=now)
        if gift is not None:
            _note_redeemed(gift, redemption)
    return redemption


def _require_good(code: RedeemCode, gift: Gift | None, *, user_id: str, now: datetime) -> None:
    """Under the locks. A plan that is not sold any more is no reason: what was given stays given."""
    is_good = code.voided_at is None and code.uses < code.uses_most
    if gift is not None:
        is_good = is_good and gift.status == Gift.Status.READY
    if code.batch is not None:
        is_good = is_good and code.batch.status == CodeBatch.Status.READY and code.batch.expires_at > now
        is_good = is_good and not Redemption.objects.filter(batch=code.batch, user_id=user_id).exists()
    if not is_good:
        raise CodeNotValid


def _worth(code: RedeemCode, gift: Gift | None) -> Worth:
    if gift is not None:
        price = price_of(gift.price_id)
        return Worth(price.plan_id, price.interval, price.interval_count, Grant.Source.GIFT)
    batch = CodeBatch.objects.get(id=code.batch_id)
    return Worth(batch.plan_id, batch.interval, batch.interval_count, Grant.Source.CODE)


def _give(worth: Worth, code: RedeemCode, *, user_id: str, now: datetime) -> Redemption:
    redemption = Redemption(code=code, batch=code.batch, user_id=user_id, redeemed_at=now)
    subscription = _own_subscription(user_id, plan_id=worth.plan_id)
    if subscription is not None and subscription.rail != Subscription.Rail.WEB:
        sold_by = str(subscription.rail)
        raise SoldElsewhere(subscription=subscription.id, sold_by=sold_by, manage_url=manage_url(sold_by))
    if subscription is not None and takes_bonus(subscription, now=now):
        redemption.anchor_before_at = subscription.anchor_at
        redemption.period = _append(worth, subscription, redemption, now=now)
    else:
        redemption.grant = grant_time(
            GrantDraft(user_id, worth.plan_id, worth.source, worth.interval, worth.interval_count, by=redemption.id),
            now=now,
        )
    redemption.save(force_insert=True)
    return redemption


def _own_subscription(user_id: str, *, plan_id: str) -> Subscription | None:
    """The live one, locked, when it is of this plan."""
    found = Subscription.objects.filter(user_id=user_id, status__in=LIVE, plan_id=plan_id).values_list("id", flat=True)
    subscription = lock_subscription(found[0]) if found else None
    return subscription if subscription and subscription.is_live and subscription.plan_id == plan_id else None


def _append(worth: Worth, subscription: Subscription, redemption: Redemption, *, now: datetime) -> Period:
    why = Why("redeemed", redemption.user_id, now, details={"redemption": redemption.id})
    return append_bonus(subscription, why, interval=worth.interval, interval_count=worth.interval_count)


def _note_redeemed(gift: Gift, redemption: Redemption) -> None:
    given = redemption.given
    gift.status, gift.next_attempt_at = Gift.Status.REDEEMED, None
    gift.save(update_fields=["status", "next_attempt_at"])
    begin_gift(gift.invoice, starts_at=given.starts_at, ends_at=given.ends_at)
