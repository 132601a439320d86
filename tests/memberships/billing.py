"""Invoices for tests: issued, paid through the books, and what the accounts hold afterwards."""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from memberships.invoices.checks import run_checks
from memberships.invoices.drafting import ChargeLine, Discount, TaxRule, draft_invoice
from memberships.invoices.issuing import issue_invoice
from memberships.models import (
    CreditNote,
    Invoice,
    InvoiceVoiding,
    Price,
    RevenueRecognition,
    RevenueSchedule,
    Subscription,
    TaxRate,
)
from memberships.subscriptions.calendar import period_end
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.ledger import chart
from payments.ledger.invariants import run_checks as run_ledger_checks
from payments.ledger.queries import balance_of
from payments.ledger.services import Entry, Leg, post
from payments.orders.models import Order

MONTH = timedelta(days=30)


def plan_line(price: Price, *, starts_at: datetime, ends_at: datetime | None = None, minor: int = 0) -> ChargeLine:
    return ChargeLine(
        "plan",
        f"{price.plan.name_en} · 1 month",
        Money(minor, price.currency) if minor else price.amount,
        starts_at=starts_at,
        ends_at=ends_at or starts_at + MONTH,
        plan=price.plan_id,
        price=price.id,
    )


def bill(
    user: User,
    lines: list[ChargeLine],
    *,
    subscription: Subscription | None = None,
    kind: str = "renewal",
    tax: TaxRule | None = None,
    discount: int = 0,
    credit: int = 0,
    now: datetime | None = None,
    language: str = "en",
) -> Invoice:
    currency = lines[0].amount.currency
    discounts = [Discount(Money(discount, currency), "Welcome", "red_1")] if discount else []
    draft = draft_invoice(lines, tax=tax, discounts=discounts, credit=Money(credit, currency))
    return issue_invoice(
        draft,
        kind=kind,
        user_id=user.pk,
        subscription=subscription,
        country=tax.country if tax else "",
        language=language,
        now=now or database_now(),
    )


def collect(invoice: Invoice, platform: Merchant) -> None:
    """What payments books when the invoice's order is paid, without a payment."""
    if invoice.due_minor:
        leg = Leg("gateway:test", chart.merchant_pending(platform.id), invoice.due)
        post(Entry("payment", f"pay_{invoice.id}", "capture:all", [leg]))
        Order.objects.filter(id=invoice.order_id).update(status="paid", next_attempt_at=None)


def holdings(currency: str = "USD", **_more: Any) -> dict[str, int]:
    codes = {
        "deferred": chart.MEMBERSHIP_DEFERRED,
        "revenue": chart.REVENUE_MEMBERSHIP,
        "credit": "membership:credit",
        "tax": "membership:tax:DE",
    }
    return {name: balance_of(code, currency=currency).minor for name, code in codes.items()}


def pending(platform: Merchant, currency: str = "USD") -> int:
    return balance_of(chart.merchant_pending(platform.id), currency=currency).minor


def broken_checks(*, but: tuple[str, ...] = ()) -> list[str]:
    """Of memberships, and those of the ledger about sums: rows made here have no payments behind them."""
    mine = [f"{finding.code} {finding.examples}" for finding in run_checks() if finding.code not in but]
    return mine + [str(found) for found in run_ledger_checks() if found.code in ("J1", "J2", "J3", "J4")]


def month_of_price(price: Price, starts_at: datetime) -> datetime:
    terms = {"interval": price.interval, "interval_count": price.interval_count}
    return period_end(starts_at, anchor_at=starts_at, zone="UTC", **terms)


def bill_and_credit(user: User) -> tuple[Invoice, CreditNote]:
    """Rows only: nothing was sold."""
    now = database_now()
    common = {"user": user, "currency": "USD", "total_minor": 100, "issued_at": now}
    amounts = {"subtotal_minor": 100, "due_minor": 100}
    invoice = Invoice.objects.create(number="PC-0000-1", kind="gift", status="paid", paid_at=now, **common, **amounts)
    note = CreditNote.objects.create(
        number="PCC-0000-1", invoice=invoice, source="refund", source_id=f"ref_{invoice.id}", **common
    )
    return invoice, note


def fill_guarded_tables(user: User) -> None:
    """A row in every table about billing that nobody may delete."""
    now = database_now()
    invoice, _note = bill_and_credit(user)
    InvoiceVoiding.objects.create(invoice=invoice, reason="x", needs_second_person=False, asked_by="usr_x")
    TaxRate.objects.create(country="DE", name="VAT", rate_basis_points=1900, starts_on=now.date())
    RevenueRecognition.objects.create(batch="rvb_x", month=now.date(), currency="USD", amount_minor=1)
    RevenueSchedule.objects.create(
        invoice=invoice, line=0, user=user, currency="USD", total_minor=1, base_at=now, ends_at=now, looked_at=now,
        next_at=now,
    )  # fmt: skip
