"""Where time comes from. Views and tasks read it; services take ``now``.

Decisions about money use the database's clock, the one clock that all processes share. A process clock that is wrong by
an hour must not renew, expire or settle anything early.
"""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """This process's clock, aware UTC: for logs, leases shown to people and signatures."""
    return datetime.now(UTC)


def database_now() -> datetime:
    """The database's clock, aware UTC. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        value: datetime = cursor.fetchone()[0]
    return value.astimezone(UTC)
