"""Saying that somebody's entitlements may have changed, so that no cache goes on with the old ones."""

from collections.abc import Iterable

from django.db import connection

from memberships.catalogue.freshness import RIGHTS, leave_word

_SITTING_WITH = """
    SELECT seat.user_id FROM memberships_seat seat JOIN memberships_subscription s ON s.id = seat.subscription_id
    WHERE s.user_id = ANY(%s) AND seat.status = 'active'
"""


def touch(user_ids: Iterable[str]) -> None:
    """Call it inside the transaction that changes what these users have; who sits in their subscriptions is included.

    The caller holds the lock of the subscription, so that nobody sits down meanwhile unseen.
    """
    users = {*user_ids}
    if not users:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SITTING_WITH, [sorted(users)])
        users.update(row[0] for row in cursor.fetchall())
    if not RIGHTS.touch(sorted(users)):
        leave_word(sorted(users))
