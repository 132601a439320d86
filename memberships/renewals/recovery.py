"""How what failed came back: noted when it did, and counted for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from memberships.models import Dunning, Subscription
from memberships.renewals import telling
from memberships.renewals.dunning import close_dunning, open_dunning
from memberships.renewals.schedule import PAYMENT_DUE
from payments.orders.models import Payment


@dataclass(frozen=True, slots=True)
class RecoveryCount:
    """Of the periods whose first collection failed for ``code``, or that came back at ``step`` (0: before the first
    further attempt was due)."""

    code: str
    step: int
    failed: int
    recovered: int
    by_member: int
    lost: int

    @property
    def rate_basis_points(self) -> int:
        """Of those that are decided."""
        decided = self.recovered + self.lost
        return self.recovered * 10_000 // decided if decided else 0


def note_recovery(subscription_id: str, *, now: datetime) -> bool:
    """An overdue period was paid, whoever brought the money; whether it was news. In the running transaction."""
    dunning = open_dunning(subscription_id)
    if dunning is None or dunning.invoice.status != "paid":
        return False
    unasked = Payment.objects.filter(
        order_id=dunning.invoice.order_id, status=Payment.Status.SUCCEEDED, is_off_session=True
    )
    by = Dunning.RecoveredBy.RETRY if unasked.exists() else Dunning.RecoveredBy.MEMBER
    close_dunning(subscription_id, status=Dunning.Status.RECOVERED, now=now, recovered_by=by)
    telling.tell_of_recovery(Subscription.objects.select_related("user").get(id=subscription_id), dunning)
    return True


def note_end(subscription_id: str, *, now: datetime) -> None:
    """It has ended, whatever ended it: nothing is tried any more, and the member hears of it. Once."""
    close_dunning(subscription_id, status=Dunning.Status.LOST, now=now)
    telling.tell_of_end(Subscription.objects.select_related("user").get(id=subscription_id))


def recovery_by_code(*, since: datetime, until: datetime) -> list[RecoveryCount]:
    """By the first failure, the most frequent first. Who pays by link anyway is not part of it."""
    rows = _counted("first_code", since=since, until=until)
    return [RecoveryCount(code=row["first_code"], step=0, **_numbers(row)) for row in rows]


def recovery_by_step(*, since: datetime, until: datetime) -> list[RecoveryCount]:
    """By how many further dates had passed when it came back or was given up, in order."""
    rows = sorted(_counted("step", since=since, until=until), key=lambda row: int(row["step"]))
    return [RecoveryCount(code="", step=row["step"], **_numbers(row)) for row in rows]


def recovery_total(*, since: datetime, until: datetime) -> RecoveryCount:
    total = _failed(since=since, until=until).aggregate(**_COUNTS)
    return RecoveryCount(code="", step=0, **_numbers(total))


_COUNTS = {
    "failed": Count("id"),
    "recovered": Count("id", filter=Q(status="recovered")),
    "by_member": Count("id", filter=Q(status="recovered", recovered_by="member")),
    "lost": Count("id", filter=Q(status="lost")),
}


def _failed(*, since: datetime, until: datetime) -> QuerySet[Dunning]:
    return Dunning.objects.filter(opened_at__gte=since, opened_at__lt=until).exclude(first_code=PAYMENT_DUE)


def _counted(field: str, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    rows = _failed(since=since, until=until).values(field).annotate(**_COUNTS).order_by("-failed", field)
    return list(rows)


def _numbers(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in _COUNTS}
