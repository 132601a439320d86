"""Our records of an account and a day: those that stand still, page by page, and the SQL for the rest."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from paycore.identifiers import earliest_id
from reconciliation.statements.models import Statement

LATE = timedelta(days=7)
"""A payment that took longer to succeed is not looked for by day; a line about it still finds it by number."""
SLACK = timedelta(days=1)
IN_FLIGHT = timedelta(minutes=1)
"""No transaction of ours takes longer: what succeeded before that is to be seen by everybody."""
PAGE_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Window:
    """The part of our records that a statement is compared with: ``start`` to ``end`` (aware). Payments up to
    ``settled_until`` cannot become more any more."""

    account: str
    start: datetime
    end: datetime
    settled_until: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        """Ids carry the time at which they were made: the day is a stretch of the primary key."""
        first, last = self.start - LATE, self.end + SLACK
        return {
            "account": self.account,
            "start": self.start,
            "end": self.end,
            "settled_until": self.settled_until,
            "first_payment": earliest_id("pay", first),
            "last_payment": earliest_id("pay", last),
            "first_capture": earliest_id("cap", first),
            "first_refund": earliest_id("ref", first),
        }


def window_of(statement: Statement, *, start: datetime, end: datetime, now: datetime) -> Window:
    settled_until = max(start, min(end, now - IN_FLIGHT))
    return Window(statement.gateway_account_id, start=start, end=end, settled_until=settled_until)


# A payment that was taken at once is one line under its own number; one that was held, a line for each capture. The fee
# is kept for the whole payment, so a part's cannot be told.
SETTLED = """
    p.gateway_account_id = %(account)s AND p.succeeded_at >= %(start)s AND p.succeeded_at < %(settled_until)s
    AND p.id >= %(first_payment)s AND p.id < %(last_payment)s AND p.captured_minor > 0
    AND NOT EXISTS (SELECT FROM payments_capture AS c WHERE c.payment_id = p.id)
"""
# Planned as a walk along both primary keys: said twice, the lower bound holds for the captures as well.
_PAGE = """
    COPY (
        SELECT p.id, p.captured_minor, p.fee_minor, p.currency FROM payments_payment AS p
        WHERE p.gateway_account_id = %(account)s AND p.succeeded_at >= %(start)s AND p.succeeded_at < %(settled_until)s
            AND p.id > %(after)s AND p.id < %(last_payment)s AND p.captured_minor > 0
            AND NOT EXISTS (SELECT FROM payments_capture AS c WHERE c.payment_id = p.id AND c.payment_id > %(after)s)
        ORDER BY p.id LIMIT %(page)s
    ) TO STDOUT
"""
UNSETTLED = """
    SELECT p.id AS reference, p.id AS payment, p.captured_minor AS amount, p.fee_minor AS fee, p.currency,
           p.succeeded_at AS at
    FROM payments_payment AS p
    WHERE %(settled_until)s < %(end)s AND p.gateway_account_id = %(account)s
        AND p.succeeded_at >= %(settled_until)s AND p.succeeded_at < %(end)s
        AND p.id >= %(first_payment)s AND p.id < %(last_payment)s AND p.captured_minor > 0
        AND NOT EXISTS (SELECT FROM payments_capture AS c WHERE c.payment_id = p.id)
    UNION ALL
    SELECT c.id, p.id, c.amount_minor, CASE WHEN p.captured_minor = c.amount_minor THEN p.fee_minor END, p.currency,
           c.created_at
    FROM payments_capture AS c JOIN payments_payment AS p ON p.id = c.payment_id
    WHERE c.status = 'succeeded' AND c.created_at >= %(start)s AND c.created_at < %(end)s
        AND c.id >= %(first_capture)s AND p.gateway_account_id = %(account)s
    UNION ALL
    SELECT r.id, r.payment_id, -r.amount_minor, 0, r.currency, r.succeeded_at
    FROM payments_refund AS r JOIN payments_payment AS p ON p.id = r.payment_id
    WHERE r.status = 'succeeded' AND r.succeeded_at >= %(start)s AND r.succeeded_at < %(end)s
        AND r.id >= %(first_refund)s AND p.gateway_account_id = %(account)s
"""
"""Records that no page has: captures, refunds, and what has only just succeeded."""


def settled_payments(window: Window) -> Iterator[list[str]]:
    """Number, amount, fee and currency with tabs between, in the order of the numbers, a page at a time."""
    parameters = window.parameters
    after = parameters["first_payment"]
    while True:
        taken = io.BytesIO()
        with connection.cursor() as cursor:
            cursor.copy_expert(
                cursor.mogrify(_PAGE, {**parameters, "after": after, "page": PAGE_RECORDS}).decode(), taken
            )
        page = taken.getvalue().decode().split("\n")
        page.pop()
        if page:
            after = page[-1].partition("\t")[0]
            yield page
        if len(page) < PAGE_RECORDS:
            return
