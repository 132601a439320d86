"""The numbers about money on the consoles' first pages. Every query is bounded by days or reads a partial index."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from merchants.console import BEING_REVIEWED, active_membership
from paycore.clock import now
from paycore.identifiers import earliest_id
from paycore.money import Money
from paycore.sites import Card, Chart, Dashboard, Series, merchant_site, ops_site, register_dashboard
from payments.ledger import chart
from payments.ledger.queries import balances
from payments.orders.disputes.models import Dispute
from payments.orders.models import Order, Payment, Refund
from payments.wallet.models import WalletWithdrawal

DAYS = 14
LATE = timedelta(days=7)
"""A payment that took longer than this to succeed is in the books but no longer in these overviews."""
SHOWN_CURRENCIES = 2


@dataclass(frozen=True)
class DayTotal:
    day: date
    currency: str
    minor: int
    count: int


def paid_by_day(payments: "QuerySet[Payment]", *, since: datetime) -> list[DayTotal]:
    """What was captured each day (UTC) by payments that succeeded since then."""
    rows = (
        payments.filter(status=Payment.Status.SUCCEEDED, is_surplus=False, succeeded_at__gte=since)
        .annotate(day=TruncDate("succeeded_at", tzinfo=UTC))
        .values("day", "currency")
        .annotate(minor=Sum("captured_minor"), payments=Count("id"))
    )
    return [DayTotal(row["day"], row["currency"], int(row["minor"]), row["payments"]) for row in rows]


def operations(request: HttpRequest) -> Dashboard:
    """For staff: what came in, how well it goes, and what waits for somebody."""
    if not request.user.has_perm("payments.view_payment"):
        return Dashboard()
    moment = now()
    days = _days(moment.date())
    since = datetime.combine(days[0], time(), tzinfo=UTC)
    recent = Payment.objects.filter(id__gte=earliest_id("pay", since - LATE))
    totals = paid_by_day(recent, since=since)
    return Dashboard(
        cards=[
            *_paid_cards(
                [total for total in totals if total.day == days[-1]],
                title=gettext("Paid today"),
                link=reverse("ops:payments_payment_changelist") + "?status__exact=succeeded",
            ),
            _success_card(moment),
            _unknown_card(moment),
            _review_card(Refund.objects.all(), link=reverse("ops:payments_refund_changelist")),
            *_withdrawal_cards(),
            *_dispute_cards(Dispute.objects.all(), link=reverse("ops:payments_dispute_changelist")),
        ],
        charts=[*_amount_charts(totals, days=days), _count_chart(recent, totals, days=days, since=since)],
    )


def own_business(request: HttpRequest) -> Dashboard:
    """For a merchant's people: their own money only."""
    membership = active_membership(request)
    if membership is None or membership.merchant.status in BEING_REVIEWED:
        return Dashboard()
    merchant = membership.merchant
    today = now().date()
    days = _days(today)
    since = datetime.combine(min(days[0], today.replace(day=1)), time(), tzinfo=UTC)
    orders = Order.objects.filter(merchant=merchant, id__gte=earliest_id("ord", since - LATE))
    totals = paid_by_day(Payment.objects.filter(order__in=orders), since=since)
    link = reverse("merchant:payments_payment_changelist") + "?status__exact=succeeded"
    refunds = Refund.objects.filter(payment__order__merchant=merchant)
    return Dashboard(
        cards=[
            *_paid_cards([t for t in totals if t.day == today], title=gettext("Paid today"), link=link),
            *_paid_cards([t for t in totals if t.day >= today.replace(day=1)], title=gettext("This month"), link=link),
            _pending_refunds_card(refunds),
            *_dispute_cards(
                Dispute.objects.filter(merchant=merchant), link=reverse("merchant:payments_dispute_changelist")
            ),
            *_balance_cards(chart.merchant_pending(merchant.id), home_currency=merchant.home_currency),
        ],
        charts=_amount_charts([t for t in totals if t.day >= days[0]], days=days, home_currency=merchant.home_currency),
    )


def _days(today: date) -> list[date]:
    return [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def _shown(minor: int, currency: str) -> str:
    return Money(minor, currency).format(get_language() or "en")


def _by_currency(totals: Iterable[DayTotal]) -> list[tuple[str, int, int]]:
    """(currency, minor units, payments), the most used currency first."""
    minors: defaultdict[str, int] = defaultdict(int)
    counts: defaultdict[str, int] = defaultdict(int)
    for total in totals:
        minors[total.currency] += total.minor
        counts[total.currency] += total.count
    return sorted(((c, minors[c], counts[c]) for c in minors), key=lambda entry: (-entry[2], entry[0]))


def _paid_cards(totals: Sequence[DayTotal], *, title: str, link: str) -> list[Card]:
    currencies = _by_currency(totals)[:SHOWN_CURRENCIES]
    if not currencies:
        return [Card(title=title, value="0", detail=gettext("No payment yet"), link=link)]
    return [
        Card(
            title=f"{title} · {currency}" if len(currencies) > 1 else title,
            value=_shown(minor, currency),
            detail=ngettext("%(count)d payment", "%(count)d payments", count) % {"count": count},
            link=link,
        )
        for currency, minor, count in currencies
    ]


def _success_card(moment: datetime) -> Card:
    made = Payment.objects.filter(id__gte=earliest_id("pay", moment - timedelta(days=1)))
    counts = made.aggregate(good=Count("id", filter=Q(status="succeeded")), bad=Count("id", filter=Q(status="failed")))
    decided = counts["good"] + counts["bad"]
    if not decided:
        return Card(title=_("Success rate, 24 hours"), value="–", detail=_("No payment yet"))
    rate = counts["good"] / decided
    return Card(
        title=_("Success rate, 24 hours"),
        value=f"{rate:.0%}" if rate == 1 else f"{rate:.1%}",
        detail=ngettext("%(count)d payment failed", "%(count)d payments failed", counts["bad"])
        % {"count": counts["bad"]},
        tone="good" if rate >= 0.8 else "warning" if rate >= 0.5 else "bad",
        link=reverse("ops:payments_payment_changelist") + "?status__exact=failed",
    )


def _unknown_card(moment: datetime) -> Card:
    # Unfinished payments are in the partial index of those that are asked about.
    unknown = Payment.objects.filter(next_attempt_at__isnull=False, status=Payment.Status.SUBMITTING)
    found = unknown.aggregate(count=Count("id"), oldest=Min("created_at"))
    is_old = found["oldest"] is not None and moment - found["oldest"] > timedelta(minutes=10)
    return Card(
        title=_("Unknown outcome"),
        value=str(found["count"]),
        detail=gettext("Oldest: %(age)s") % {"age": timesince(found["oldest"], moment, depth=1)}
        if found["oldest"]
        else gettext("Every outcome is known"),
        tone="good" if not found["count"] else "bad" if is_old else "warning",
        link=reverse("ops:payments_payment_changelist") + "?status__exact=submitting",
    )


def _review_card(refunds: "QuerySet[Refund]", *, link: str) -> Card:
    waiting = refunds.filter(status=Refund.Status.REQUESTED)
    found = waiting.aggregate(count=Count("id"), oldest=Min("created_at"))
    return Card(
        title=_("Refunds to review"),
        value=str(found["count"]),
        detail=gettext("Oldest: %(age)s") % {"age": timesince(found["oldest"], depth=1)} if found["oldest"] else "",
        tone="warning" if found["count"] else "good",
        link=f"{link}?status__exact=requested",
    )


def _withdrawal_cards() -> list[Card]:
    """Only while some wait: a house without wallets need not read of them."""
    waiting = WalletWithdrawal.objects.filter(status__in=("requested", "half_approved"))
    found = waiting.aggregate(count=Count("id"), oldest=Min("created_at"))
    if not found["count"]:
        return []
    return [
        Card(
            title=_("Withdrawals to review"),
            value=str(found["count"]),
            detail=gettext("Oldest: %(age)s") % {"age": timesince(found["oldest"], depth=1)},
            tone="warning",
            link=reverse("ops:payments_walletwithdrawal_changelist"),
        )
    ]


def _dispute_cards(disputes: "QuerySet[Dispute]", *, link: str) -> list[Card]:
    """Only while some wait for an answer."""
    waiting = disputes.filter(status__in=("warning", "needs_response"), answer__in=("open", "refused"))
    found = waiting.filter(next_attempt_at__isnull=False).aggregate(count=Count("id"), soonest=Min("evidence_due_at"))
    if not found["count"]:
        return []
    soonest = timeuntil(found["soonest"], depth=1) if found["soonest"] else "–"
    return [
        Card(
            title=_("Disputes to answer"),
            value=str(found["count"]),
            detail=gettext("The nearest date is in %(time)s") % {"time": soonest},
            tone="warning",
            link=f"{link}?status__exact=needs_response",
        )
    ]


def _pending_refunds_card(refunds: "QuerySet[Refund]") -> Card:
    count = refunds.filter(status__in=("requested", "approved", "submitting")).count()
    return Card(
        title=_("Refunds under way"),
        value=str(count),
        detail=_("Requested, not yet sent back"),
        link=reverse("merchant:payments_refund_changelist"),
    )


def _balance_cards(code: str, *, home_currency: str) -> list[Card]:
    found = [entry.balance for entry in balances(prefix=code) if entry.balance.minor]
    shown = sorted(found, key=lambda balance: (balance.currency != home_currency, balance.currency))[:SHOWN_CURRENCIES]
    return [
        Card(
            title=gettext("Pending balance") + (f" · {balance.currency}" if len(shown) > 1 else ""),
            value=_shown(balance.minor, balance.currency),
            detail=_("After fees and refunds"),
        )
        for balance in shown or [Money.zero(home_currency)]
    ]


def _amount_charts(totals: Sequence[DayTotal], *, days: Sequence[date], home_currency: str = "") -> list[Chart]:
    """One chart for each of the two most used currencies: amounts of two currencies do not add up."""
    currencies = [currency for currency, _minor, _count in _by_currency(totals)[:2]] or [home_currency]
    return [_amount_chart(totals, days=days, currency=currency) for currency in currencies if currency]


def _amount_chart(totals: Sequence[DayTotal], *, days: Sequence[date], currency: str) -> Chart:
    by_day = {total.day: total.minor for total in totals if total.currency == currency}
    # Drawn, not booked: the only place where an amount becomes a float.
    values = [float(Money(by_day.get(day, 0), currency).major) for day in days]
    return Chart(
        title=gettext("Paid in the last 14 days, %(currency)s") % {"currency": currency},
        labels=_labels(days),
        series=[Series(title=currency, values=values)],
    )


def _count_chart(
    recent: "QuerySet[Payment]", totals: Sequence[DayTotal], *, days: Sequence[date], since: datetime
) -> Chart:
    failed = (
        recent.filter(id__gte=earliest_id("pay", since), status=Payment.Status.FAILED)
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values("day")
        .annotate(payments=Count("id"))
    )
    bad = {row["day"]: row["payments"] for row in failed}
    good: defaultdict[date, int] = defaultdict(int)
    for total in totals:
        good[total.day] += total.count
    return Chart(
        title=_("Payments in the last 14 days"),
        labels=_labels(days),
        series=[
            Series(title=_("Succeeded"), values=[good[day] for day in days]),
            Series(title=_("Failed"), values=[bad.get(day, 0) for day in days]),
        ],
    )


def _labels(days: Sequence[date]) -> list[str]:
    return [f"{day:%m-%d}" for day in days]


register_dashboard(ops_site, operations, place=10)
register_dashboard(merchant_site, own_business, place=10)
