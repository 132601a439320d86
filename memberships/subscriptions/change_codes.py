"""A promotion code given with a change that happens now: it lowers the change's own invoice, and the charges after it
when its promotion says so. It hangs on the subscription, as one that was given at the start does.

The use is taken with the change's order, kept when that is paid and given back when it ends unpaid; until then it
lowers nothing else. A change that charges nothing now (of a trial, of a start ahead) has it lower the first charge to
come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import translation

from memberships.invoices.drafting import ChargeLine, Discount
from memberships.models import Invoice, PlanChange, Subscription
from memberships.subscriptions.changes import Wanted
from memberships.subscriptions.pricing import lines_for_period
from memberships.subscriptions.queries import has_paid_before
from merchants.queries import platform_merchant
from paycore.money import Money
from payments.promotions.errors import PromotionNotApplicable
from payments.promotions.models import Redemption
from payments.promotions.services import Purchase, quote, settle_use, take


@dataclass(frozen=True, slots=True)
class ChangePurchase:
    """``lines`` are those of the change's invoice; none: nothing is charged now."""

    subscription: Subscription
    wanted: Wanted
    lines: Sequence[ChargeLine]
    at: datetime

    def as_purchase(self) -> Purchase:
        """What is set off for unused time is the member's own: a code lowers what is charged."""
        price, whole = self.wanted.price, self._whole_period()
        charged = [line.amount for line in self.lines if line.amount.is_positive]
        return Purchase(
            user_id=self.subscription.user_id,
            merchant_id=platform_merchant().id,
            amount=sum(charged, Money.zero(price.currency)) if self.lines else whole,
            plan=price.plan.code,
            price=price.id,
            interval=price.interval,
            is_first=not has_paid_before(self.subscription.user_id),
            email=self.subscription.user.email or "",
            is_charged_later=not self.lines,
            later_amount=whole,
        )

    def _whole_period(self) -> Money:
        wanted, language = self.wanted, self.subscription.user.locale
        lines = lines_for_period(
            plan_version=wanted.version, price=wanted.price, quantity=wanted.quantity, starts_at=self.at,
            ends_at=self.at, language=language, with_setup=not self.lines,
        )  # fmt: skip
        return sum((line.amount for line in lines), Money.zero(wanted.price.currency))


def code_discounts(code: str, bought: ChangePurchase, *, now: datetime) -> list[Discount]:
    """What ``code`` takes off the change's invoice. Takes nothing. The refusals of :func:`quote`; days without a charge
    are for beginnings: PromotionNotApplicable."""
    if not code:
        return []
    with translation.override(bought.subscription.user.locale):
        found = quote(code, bought.as_purchase(), now=now)
    if found.free_days:
        raise PromotionNotApplicable(reason="change")
    off = Discount(found.discount, found.description, found.promotion_code_id)
    return [off] if found.discount.is_positive and bought.lines else []


def take_code(code: str, bought: ChangePurchase, *, now: datetime) -> Redemption | None:
    """Hold one use for the locked subscription, in the transaction of the change. PromotionNotCombinable beside another
    code that still has something to give, and the other refusals of :func:`take`."""
    if not code:
        return None
    return take(code, bought.as_purchase(), subject_id=bought.subscription.id, now=now)


def free_code(invoice: Invoice) -> None:
    """The change that ``invoice`` was for does not happen, or its money went back: its code's slot is free. Nothing for
    other invoices; twice is once."""
    if invoice.kind == Invoice.Kind.CHANGE:
        for use_id in _uses(PlanChange.objects.filter(invoice=invoice)):
            settle_use(use_id, is_paid=False)


def free_waiting_codes(subscription_id: str) -> None:
    """Of changes that wait for their money, which another change replaces."""
    for use_id in _uses(PlanChange.objects.filter(subscription_id=subscription_id, applied_at__isnull=True)):
        settle_use(use_id, is_paid=False)


def _uses(changes: "QuerySet[PlanChange]") -> list[str]:
    rows = changes.filter(code_use__isnull=False).order_by("code_use__promotion_id", "code_use_id")
    return [str(use_id) for use_id in rows.values_list("code_use_id", flat=True)]
