"""Figures as charts and cards show them, read from what was counted (:mod:`memberships.reports.counting`)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from dateutil.relativedelta import relativedelta
from django.db.models import Sum

from memberships.models import MembershipCohort, MembershipMonth
from paycore.money import Money

_SUMS = (
    *("members", "trials", "mrr_minor", "new_members", "lost_members", "new_minor", "grown_minor", "shrunk_minor"),
    *("lost_minor", "trials_ended", "trials_won", "failed", "recovered"),
)


@dataclass(frozen=True, slots=True)
class Month:
    """One month over all plans: people in every currency together, amounts (minor units) of one currency. ``before``:
    the members that it began with; of one plan those who came from another are neither new nor lost."""

    month: date
    before: int
    members: int
    trials: int
    new_members: int
    lost_members: int
    trials_ended: int
    trials_won: int
    failed: int
    recovered: int
    mrr_minor: Mapping[str, int]
    moved_minor: Mapping[str, tuple[int, int, int, int]]
    """By currency: new, grown, shrunk, lost."""

    @property
    def churn_percent(self) -> float | None:
        """Of those who were members when the month began; None where there were none."""
        return 100 * self.lost_members / self.before if self.before > 0 else None

    @property
    def conversion_percent(self) -> float | None:
        return 100 * self.trials_won / self.trials_ended if self.trials_ended else None

    @property
    def recovery_percent(self) -> float | None:
        return 100 * self.recovered / self.failed if self.failed else None


@dataclass(frozen=True, slots=True)
class Cohort:
    """``kept``: how many were still there at the end of each month from the first one on."""

    cohort: date
    started: int
    kept: Sequence[int]


def months(*, last: int = 13, plan_id: str = "") -> list[Month]:
    """The last counted months, oldest first."""
    rows = MembershipMonth.objects.all()
    if plan_id:
        rows = rows.filter(plan_id=plan_id)
    by_month: defaultdict[date, list[dict[str, int]]] = defaultdict(list)
    for row in rows.values("month", "currency").annotate(**{f"sum_{name}": Sum(name) for name in _SUMS}):
        by_month[row["month"]].append(row)
    found: list[Month] = []
    for month in sorted(by_month)[-last - 1 :]:
        follows = bool(found) and found[-1].month + relativedelta(months=1) == month
        before = found[-1].members if follows else 0 if plan_id else None
        found.append(_month(month, by_month[month], before=before))
    return found[-last:]


def currencies(found: Sequence[Month]) -> list[str]:
    """That any of the months has, the most worth in the last one first."""
    seen = {currency for month in found for currency in month.mrr_minor if currency}
    last = found[-1].mrr_minor if found else {}
    return sorted(seen, key=lambda currency: (-last.get(currency, 0), currency))


def cohorts(*, last: int = 13) -> list[Cohort]:
    """By month of the first paid period, oldest first."""
    by_cohort: defaultdict[date, list[MembershipCohort]] = defaultdict(list)
    for row in MembershipCohort.objects.order_by("cohort", "month"):
        by_cohort[row.cohort].append(row)
    return [
        Cohort(cohort, max(row.started for row in rows), [row.kept for row in rows])
        for cohort, rows in sorted(by_cohort.items())[-last:]
    ]


def mrr_now() -> list[Money]:
    """Of the newest counted month, by currency, the largest first."""
    found = months(last=1)
    return [Money(found[0].mrr_minor[currency], currency) for currency in currencies(found)] if found else []


def _month(month: date, rows: Sequence[Mapping[str, int]], *, before: int | None) -> Month:
    def total(name: str) -> int:
        return sum(int(row[f"sum_{name}"]) for row in rows)

    return Month(
        month=month,
        before=total("members") - total("new_members") + total("lost_members") if before is None else before,
        **{
            name: total(name)
            for name in (
                *("members", "trials", "new_members", "lost_members", "trials_ended", "trials_won", "failed"),
                "recovered",
            )
        },
        mrr_minor={str(row["currency"]): int(row["sum_mrr_minor"]) for row in rows},
        moved_minor={
            str(row["currency"]): (
                int(row["sum_new_minor"]),
                int(row["sum_grown_minor"]),
                int(row["sum_shrunk_minor"]),
                int(row["sum_lost_minor"]),
            )
            for row in rows
        },
    )
