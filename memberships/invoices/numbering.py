"""Numbers of invoices and credit notes: one after the other, without a gap, a series a year (UTC)."""

from django.conf import settings
from django.db import connection, transaction

INVOICE = "invoice"
CREDIT_NOTE = "credit_note"

_TAKE = """
    INSERT INTO memberships_numberseries AS series (kind, prefix, last_number) VALUES (%(kind)s, %(prefix)s, %(count)s)
    ON CONFLICT (kind, prefix) DO UPDATE SET last_number = series.last_number + excluded.last_number
    RETURNING last_number
"""


def take_numbers(kind: str, *, year: int, count: int) -> list[str]:
    """The next ``count`` numbers of ``invoice`` or ``credit_note``, in order.

    The series stays locked until the running transaction ends, and a rollback gives them back: take them as late as
    possible, and all of a batch at once.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("a number is taken together with what it is the number of")
    if count < 1:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"kind": kind, "prefix": str(year), "count": count})
        last: int = cursor.fetchone()[0]
    prefix = {INVOICE: settings.PAYCORE_INVOICE_PREFIX, CREDIT_NOTE: settings.PAYCORE_CREDIT_NOTE_PREFIX}[kind]
    return [f"{prefix}-{year}-{number:06d}" for number in range(last - count + 1, last + 1)]
