"""Taking due subscriptions, locked, so that any number of workers share the work.

``due_at`` is by the user's clock. Whoever claims sets a later ``due_at`` in the same transaction: if it dies, the
subscription is due again. What stores sold is never due here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from memberships.models import Subscription
from paycore.bulk import update_rows

LEASE = timedelta(minutes=1)

PERIODS = "s.status IN ('trialing', 'active') AND NOT s.cancel_at_period_end"
"""The next period may be due."""
STEPS = f"NOT ({PERIODS})"
"""Everything else that happens by itself: starts, ends, retries, resumptions."""

_OFFSET = """
    + coalesce((SELECT o."offset" FROM paycore_clockoffset AS o WHERE o.subject = s.user_id), interval '0')
"""
_CLAIM = """
    SELECT s.*, {now} AS user_now FROM memberships_subscription AS s
    WHERE s.{queue} <= {now} AND s.rail = 'web' AND {condition}
    ORDER BY s.{queue} LIMIT %(limit)s FOR NO KEY UPDATE OF s SKIP LOCKED
"""
_CLAIM_OF_USER = """
    SELECT s.*, %(until)s::timestamptz AS user_now FROM memberships_subscription AS s
    WHERE s.user_id = %(user_id)s AND s.{queue} <= %(until)s AND s.rail = 'web' AND {condition}
    ORDER BY s.{queue} LIMIT %(limit)s FOR NO KEY UPDATE OF s
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Only this user's, as of ``until``: for the sandbox, where a user's time is moved step by step."""

    user_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """Locked rows, and what time it is for each, by subscription."""

    subscriptions: list[Subscription]
    nows: Mapping[str, datetime]


def lock_due(condition: str, *, limit: int, span: Span | None = None, queue: str = "due_at") -> Claimed:
    """At most ``limit`` rows whose ``queue`` has come, the longest due first, locked in the running transaction.
    ``condition`` and ``queue`` are SQL of ours."""
    parameters: dict[str, object] = {"limit": limit}
    if span is None:
        # Stable within the statement, unlike clock_timestamp(): the index is read up to now, not to its end.
        now = f"(statement_timestamp(){_OFFSET if settings.PAYCORE_SANDBOX_MODE else ''})"
        statement = _CLAIM.format(now=now, condition=condition, queue=queue)
    else:
        statement = _CLAIM_OF_USER.format(condition=condition, queue=queue)
        parameters |= {"user_id": span.user_id, "until": span.until}
    rows = list(Subscription.objects.raw(statement, parameters))
    # The column beside the model's own.
    nows: dict[str, datetime] = {row.id: vars(row)["user_now"].astimezone(UTC) for row in rows}
    return Claimed(rows, nows)


def lease(claimed: Claimed, *, until: timedelta = LEASE) -> None:
    """Due again after ``until``, unless what is done meanwhile says otherwise."""
    for row in claimed.subscriptions:
        row.due_at = claimed.nows[row.id] + until
    update_rows(claimed.subscriptions, fields=["due_at"])
