"""Money that a member has left from an earlier membership or a dearer plan; it pays what comes next."""

from django.db.models import QuerySet, Sum

from memberships.models import Subscription
from paycore.money import Money


def credit_left(user_id: str, *, currency: str) -> Money:
    """Of memberships that ended."""
    total = _left(user_id, currency).aggregate(total=Sum("credit_minor"))["total"]
    return Money(total or 0, currency)


def take_over_credit(user_id: str, *, currency: str) -> Money:
    """Take it out of the ended memberships, for the new one, in the running transaction."""
    rows = _left(user_id, currency).select_for_update(no_key=True).order_by("id")
    total = Money.zero(currency)
    for row in rows:
        total += row.credit
        row.credit_minor = 0
        row.save(update_fields=["credit_minor"])
    return total


def _left(user_id: str, currency: str) -> QuerySet[Subscription]:
    return Subscription.objects.filter(user_id=user_id, currency=currency, status="ended", credit_minor__gt=0)
