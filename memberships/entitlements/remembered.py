"""A user's rights: from Redis when they are there, from the database when not (:mod:`paycore.snapshots` says why that
is never wrong)."""

import json
from datetime import datetime

from django.conf import settings

from memberships.catalogue.freshness import RIGHTS
from memberships.entitlements.rights import Rights, as_text, best_rights, from_text
from paycore.clock import database_now
from paycore.database import call_function
from paycore.snapshots import Lease


def rights_at(user_id: str, moment: datetime | None) -> Rights:
    """As the database says: one query. None is now."""
    found = call_function("memberships_rights", user_id, moment)
    return best_rights(json.loads(found) if isinstance(found, str) else found)


def rights_now(user_id: str, *, feature: str = "") -> Rights:
    """By the user's own clock; no query when they are remembered. With ``feature``, at least that one.

    In sandbox mode the user's clock is read first: it may have been moved over what was remembered.
    """
    now = database_now(subject=user_id) if settings.PAYCORE_SANDBOX_MODE else None
    found = RIGHTS.read(user_id)
    if isinstance(found, bytes):
        remembered = from_text(found, feature=feature)
        if now is None or remembered.changes_at is None or now < remembered.changes_at:
            return remembered
    rights = rights_at(user_id, now)
    if isinstance(found, Lease):
        RIGHTS.fill(found, as_text(rights), valid_seconds=_seconds_left(rights))
    return rights


def _seconds_left(rights: Rights) -> float | None:
    return None if rights.changes_at is None else (rights.changes_at - rights.at).total_seconds()
