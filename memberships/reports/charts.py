"""The charts and cards of the report about memberships."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language, gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from memberships.reports.queries import Month, cohorts, currencies, mrr_now
from paycore.money import Money
from paycore.sites import Card, Chart, Dashboard, Series
from paycore.sites.pages import Panel

SHOWN_CURRENCIES = 3
COHORT_MONTHS = 13


def overview(request: HttpRequest) -> Dashboard:
    """Two numbers on the console's first page; the report has the rest."""
    if not request.user.has_perm("memberships.view_membershipmonth"):
        return Dashboard()
    link = reverse("ops:memberships_membershipmonth_changelist")
    return Dashboard(cards=[_mrr_card(amount, link=link) for amount in mrr_now()[:2]])


def cards(found: Sequence[Month]) -> list[Card]:
    if not found:
        return []
    last = found[-1]
    amounts = [Money(last.mrr_minor[currency], currency) for currency in currencies([last])][:SHOWN_CURRENCIES]
    return [
        *(_mrr_card(amount) for amount in amounts),
        Card(title=_("Members who pay"), value=str(last.members), detail=_new_and_lost(last)),
        Card(title=_("On trial"), value=str(last.trials), detail=_share(_("Paid afterwards"), last.conversion_percent)),
        Card(title=_("Churn this month"), value=_percent(last.churn_percent)),
        Card(
            title=_("Recovered this month"),
            value=_percent(last.recovery_percent),
            detail=gettext("%(recovered)d of %(failed)d overdue renewals")
            % {"recovered": last.recovered, "failed": last.failed},
        ),
    ]


def charts(found: Sequence[Month]) -> list[Chart]:
    """One of recurring revenue and one of its movements for each currency, for amounts of two do not add up."""
    labels = [f"{month.month:%Y-%m}" for month in found]
    shown = currencies(found)[:SHOWN_CURRENCIES]
    return [
        *(_mrr_chart(found, labels, currency) for currency in shown),
        *(_movement_chart(found, labels, currency) for currency in shown),
        Chart(
            title=_("Members"),
            labels=labels,
            series=[
                Series(_("Paying"), [month.members for month in found]),
                Series(_("On trial"), [month.trials for month in found]),
            ],
        ),
        Chart(
            title=_("Churn, trials that paid, overdue renewals that were paid: percent"),
            labels=labels,
            kind="line",
            series=[
                Series(_("Churn"), [_number(month.churn_percent) for month in found]),
                Series(_("Trials that paid"), [_number(month.conversion_percent) for month in found]),
                Series(_("Recovered"), [_number(month.recovery_percent) for month in found]),
            ],
        ),
    ]


def cohort_panel() -> Panel:
    """A row for each month of first payment: who is still there after so many months, in percent."""
    rows = [
        [
            f"{cohort.cohort:%Y-%m}",
            cohort.started,
            *(f"{100 * kept / cohort.started:.0f} %" for kept in cohort.kept[:COHORT_MONTHS]),
            *("" for _missing in range(COHORT_MONTHS - len(cohort.kept))),
        ]
        for cohort in cohorts(last=COHORT_MONTHS)
        if cohort.started
    ]
    return Panel(
        title=_("Who stays: by month of the first payment"),
        headers=[_("First paid in"), _("Members"), *(str(number) for number in range(COHORT_MONTHS))],
        rows=rows,
        numbers=range(1, COHORT_MONTHS + 2),
        note=_("Percent of them that were paying members at the end of that month; 0 is the month they began in."),
    )


def cohort_chart() -> Chart | None:
    """All cohorts together: of those who could be there after so many months, how many still are."""
    found = [cohort for cohort in cohorts(last=COHORT_MONTHS) if cohort.started]
    longest = max((len(cohort.kept) for cohort in found), default=0)
    if longest < 2:
        return None
    values = []
    for months in range(longest):
        reached = [cohort for cohort in found if len(cohort.kept) > months]
        values.append(100 * sum(cohort.kept[months] for cohort in reached) / sum(c.started for c in reached))
    return Chart(
        title=_("Still paying so many months after the first payment: percent"),
        labels=[str(months) for months in range(longest)],
        series=[Series(_("Still paying"), [round(value, 1) for value in values])],
        kind="line",
    )


def _mrr_chart(found: Sequence[Month], labels: Sequence[str], currency: str) -> Chart:
    values = [_drawn(month.mrr_minor.get(currency, 0), currency) for month in found]
    title = gettext("Monthly recurring revenue, %(currency)s") % {"currency": currency}
    return Chart(title=title, labels=labels, series=[Series(currency, values)], kind="line")


def _movement_chart(found: Sequence[Month], labels: Sequence[str], currency: str) -> Chart:
    names = (_("New"), _("Grown"), _("Shrunk"), pgettext_lazy("membership", "Lost"))
    signs = (1, 1, -1, -1)
    nothing = (0, 0, 0, 0)
    series = [
        Series(name, [_drawn(sign * month.moved_minor.get(currency, nothing)[place], currency) for month in found])
        for place, (name, sign) in enumerate(zip(names, signs, strict=True))
    ]
    title = gettext("What changed it, %(currency)s") % {"currency": currency}
    return Chart(title=title, labels=labels, series=series)


def _mrr_card(amount: Money, *, link: str = "") -> Card:
    return Card(
        title=gettext("Monthly recurring revenue") + f" · {amount.currency}",
        value=amount.format(get_language() or "en"),
        link=link,
    )


def _new_and_lost(month: Month) -> str:
    return gettext("This month: %(new)d new, %(lost)d lost") % {"new": month.new_members, "lost": month.lost_members}


def _share(words: object, percent: float | None) -> str:
    return f"{words}: {_percent(percent)}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _number(value: float | None) -> float | None:
    """Nothing is drawn where there was nothing to divide by."""
    return None if value is None else round(value, 1)


def _drawn(minor: int, currency: str) -> float:
    """Drawn, not booked."""
    return float(Money(minor, currency).major)
