"""How much was used: read for several windows at once, counted in one statement."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from memberships.entitlements.windows import Window

# The newest counter of the subject that begins before the window's end is the window's own, or one that was cut short
# and whose count goes on, or an older one that is over.
_READ = """
    SELECT coalesce(CASE WHEN c.starts_at >= asked.starts_at OR c.ends_at > asked.starts_at THEN c.used END, 0)
    FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
        AS asked(feature, subject, starts_at, ends_at, position)
    LEFT JOIN LATERAL (
        SELECT used, starts_at, ends_at FROM memberships_usagecounter
        WHERE user_id = %s AND feature = asked.feature AND subject = asked.subject
          AND starts_at < coalesce(asked.ends_at, 'infinity')
        ORDER BY starts_at DESC LIMIT 1
    ) AS c ON true
    ORDER BY asked.position
"""
_READ_ONE = """
    SELECT CASE WHEN starts_at >= %(starts_at)s OR ends_at > %(starts_at)s THEN used ELSE 0 END
    FROM memberships_usagecounter
    WHERE user_id = %(user)s AND feature = %(feature)s AND subject = %(subject)s
      AND starts_at < coalesce(%(ends_at)s::timestamptz, 'infinity')
    ORDER BY starts_at DESC LIMIT 1
"""
# A counter that is there already was allowed to be what it is: only what is added to it is looked at.
_COUNT = """
    WITH before AS (
        SELECT used, starts_at, ends_at, starts_at >= %(starts_at)s AS is_own FROM memberships_usagecounter
        WHERE user_id = %(user)s AND feature = %(feature)s AND subject = %(subject)s
          AND starts_at < coalesce(%(ends_at)s::timestamptz, 'infinity')
        ORDER BY starts_at DESC LIMIT 1
    ), first AS (
        SELECT coalesce((SELECT used FROM before WHERE ends_at > %(starts_at)s), 0) + %(amount)s AS used,
               (SELECT starts_at FROM before WHERE is_own) AS known_from
    )
    INSERT INTO memberships_usagecounter AS c (user_id, feature, subject, starts_at, ends_at, used, updated_at)
    SELECT %(user)s, %(feature)s, %(subject)s, coalesce(first.known_from, %(starts_at)s), %(ends_at)s,
           greatest(first.used, 0), clock_timestamp()
    FROM first
    WHERE first.known_from IS NOT NULL OR first.used BETWEEN 0 AND coalesce(%(most)s, first.used)
    ON CONFLICT (user_id, feature, subject, starts_at) DO UPDATE
    SET used = c.used + %(amount)s, ends_at = excluded.ends_at, updated_at = clock_timestamp()
    WHERE c.used + %(amount)s BETWEEN 0 AND coalesce(%(most)s, c.used + %(amount)s)
    RETURNING used
"""
# Not where more was put aside than the window that was counted in: what comes behind it begins a count of its own.
_GO_ON = """
    UPDATE memberships_usagecounter SET ends_at = %(until)s, updated_at = clock_timestamp()
    WHERE subject = %(subject)s AND ends_at > %(stopped_at)s + make_interval(secs => %(seconds)s - 2)
      AND user_id IN (
        SELECT user_id FROM memberships_subscription WHERE id = %(subject)s
        UNION ALL
        SELECT user_id FROM memberships_seat WHERE subscription_id = %(subject)s AND status = 'active'
      )
"""


def used_in(user_id: str, windows: Sequence[tuple[str, Window]]) -> list[int]:
    """By (feature, window), in their order; one indexed read for each, one query for all."""
    if not windows:
        return []
    if len(windows) == 1:
        return [_used_in_one(user_id, *windows[0])]
    columns = (
        [feature for feature, _window in windows],
        [window.subject for _feature, window in windows],
        [window.starts_at for _feature, window in windows],
        [window.ends_at for _feature, window in windows],
    )
    with connection.cursor() as cursor:
        cursor.execute(_READ, [*columns, user_id])
        return [row[0] for row in cursor.fetchall()]


def _used_in_one(user_id: str, feature: str, window: Window) -> int:
    """What is asked most, in a statement that is quick to plan."""
    values: dict[str, str | datetime | None] = {
        "user": user_id,
        "feature": feature,
        "subject": window.subject,
        "starts_at": window.starts_at,
        "ends_at": window.ends_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ_ONE, values)
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def add(user_id: str, feature: str, window: Window, *, amount: int, most: int | None) -> int | None:
    """What is used afterwards; None, and nothing changed, when that would be below zero or above ``most``."""
    values: dict[str, str | int | datetime | None] = {
        "user": user_id,
        "feature": feature,
        "subject": window.subject,
        "starts_at": window.starts_at,
        "ends_at": window.ends_at,
        "amount": amount,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def go_on_counting(subject: str, *, stopped_at: datetime, seconds: int, until: datetime) -> None:
    """The ``seconds`` that were left of a window at ``stopped_at`` are lived until ``until``: what was used counts."""
    values: dict[str, str | int | datetime] = {
        "subject": subject,
        "stopped_at": stopped_at,
        "seconds": seconds,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_GO_ON, values)
