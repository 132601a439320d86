"""What members have left of plans that they changed away from, in the books."""

from datetime import datetime

from memberships.invoices.books import CREDIT_ACCOUNT
from memberships.invoices.schedules import month_of
from memberships.models import RevenueRecognition
from paycore.identifiers import new_id
from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post


def adjust_credit(*, change: Money, now: datetime, plan: str = "") -> None:
    """A subscription's credit changed by ``change`` otherwise than through an invoice: it was paid out with a refund or
    lapsed (negative), or time that ended early was turned into credit (positive).

    In the transaction that changes the row. The counterpart is revenue: a refund takes the credit it pays out from the
    revenue of the invoice that it is booked against, and time that ended early is earned when it ends.
    """
    if change.is_zero:
        return
    adjustment_id = new_id("crd")
    debit, credit = chart.REVENUE_MEMBERSHIP, CREDIT_ACCOUNT
    leg = Leg(debit, credit, change) if change.is_positive else Leg(credit, debit, -change)
    post(Entry("credit", adjustment_id, "adjusted", [leg]))
    RevenueRecognition.objects.create(
        batch=adjustment_id, month=month_of(now), plan=plan, currency=change.currency, amount_minor=-change.minor
    )
