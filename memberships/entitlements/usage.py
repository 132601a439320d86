"""Counting uses, and giving them back: atomically, never beyond the limit, never below zero."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from memberships.entitlements.counters import add, used_in
from memberships.entitlements.queries import Entitlement, entitlement, now_for
from memberships.entitlements.remembered import rights_now
from memberships.entitlements.rights import Right
from memberships.entitlements.windows import Window, window_of
from memberships.models import Feature
from paycore.errors import Conflict, PermissionRefused

MOST_AT_ONCE = 1_000_000


class NotEntitled(PermissionRefused):
    code = "not_entitled"
    title = _("The user's membership does not include this feature.")


class FeatureNotCounted(Conflict):
    code = "feature_not_counted"
    title = _("This feature is on or off; its uses are not counted.")


class LimitReached(Conflict):
    code = "limit_reached"
    title = _("This would be more than the limit.")


class NothingToReturn(Conflict):
    code = "nothing_to_return"
    title = _("That much was not used.")


def use(user_id: str, feature: str, *, amount: int) -> Entitlement:
    """Count ``amount`` uses, all or none. NotEntitled, FeatureNotCounted, LimitReached."""
    right, window = _counted(user_id, feature)
    used = add(user_id, feature, window, amount=amount, most=right.limit)
    if used is None:
        raise LimitReached(**_standing(user_id, right, window))
    return entitlement(right, window=window, used=used)


def give_back(user_id: str, feature: str, *, amount: int) -> Entitlement:
    """Uses that did not happen, or places that are free again. NotEntitled, FeatureNotCounted, NothingToReturn."""
    right, window = _counted(user_id, feature)
    used = add(user_id, feature, window, amount=-amount, most=None)
    if used is None:
        raise NothingToReturn(**_standing(user_id, right, window))
    return entitlement(right, window=window, used=used)


def _counted(user_id: str, feature: str) -> tuple[Right, Window]:
    right = rights_now(user_id, feature=feature).by_feature.get(feature)
    if right is None:
        raise NotEntitled(feature=feature)
    if right.kind == Feature.Kind.SWITCH:
        raise FeatureNotCounted(feature=feature)
    return right, window_of(right, now=now_for([right], user_id=user_id))


def _standing(user_id: str, right: Right, window: Window) -> dict[str, Any]:
    [used] = used_in(user_id, [(right.feature, window)])
    resets_at = window.ends_at.isoformat().replace("+00:00", "Z") if window.ends_at else None
    return {"feature": right.feature, "limit": right.limit, "used": used, "resets_at": resets_at}
