"""Where time comes from. Views and tasks read it; services take ``now``.

Decisions about money use the database's clock, the one clock that all processes share. A process clock that is wrong by
an hour must not renew, expire or settle anything early.

In sandbox mode a developer may move one subject's time forward (a user's, say), to see a month pass in a second.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError


class NotInSandbox(PaycoreError):
    code, http_status = "not_in_sandbox", 403
    title = _("Only the sandbox can do this.")


def now() -> datetime:
    """This process's clock, aware UTC: for logs, leases shown to people and signatures."""
    return datetime.now(UTC)


def database_now(*, subject: str = "") -> datetime:
    """The database's clock, aware UTC; ``subject``'s own in sandbox mode. One round trip."""
    with connection.cursor() as cursor:
        if subject and settings.PAYCORE_SANDBOX_MODE:
            cursor.execute(_NOW_OF, [subject])
        else:
            cursor.execute("SELECT clock_timestamp()")
        value: datetime = cursor.fetchone()[0]
    return value.astimezone(UTC)


def advance(*, subject: str, by: timedelta) -> datetime:
    """Move ``subject``'s time forward, for ever, in sandbox mode only; its new now.

    ``NotInSandbox`` in production, ``ValueError`` for a step backwards: time does not run back.
    """
    if not settings.PAYCORE_SANDBOX_MODE:
        raise NotInSandbox
    if by <= timedelta(0):
        raise ValueError("time moves forward only")
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [subject, by.total_seconds()])
    return database_now(subject=subject)


_NOW_OF = """
    SELECT clock_timestamp() + coalesce((SELECT "offset" FROM paycore_clockoffset WHERE subject = %s), interval '0')
"""
_ADVANCE = """
    INSERT INTO paycore_clockoffset (subject, "offset") VALUES (%s, make_interval(secs => %s))
    ON CONFLICT (subject) DO UPDATE SET "offset" = paycore_clockoffset."offset" + excluded."offset"
"""
