"""What time it is for several users at once."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection

from paycore.clock import database_now

_OFFSETS = """
    SELECT subject, clock_timestamp() + "offset" FROM paycore_clockoffset WHERE subject = ANY(%s)
"""


def nows_of(user_ids: Iterable[str]) -> dict[str, datetime]:
    """The database's clock for each; in sandbox mode their own. At most two round trips."""
    wanted = [*user_ids]
    nows = dict.fromkeys(wanted, database_now())
    if settings.PAYCORE_SANDBOX_MODE and wanted:
        with connection.cursor() as cursor:
            cursor.execute(_OFFSETS, [wanted])
            nows |= {user_id: moment.astimezone(UTC) for user_id, moment in cursor.fetchall()}
    return nows
