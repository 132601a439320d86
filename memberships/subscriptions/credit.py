"""Money that a member has left from an earlier membership or a dearer plan; it pays what comes next."""

from django.db.models import QuerySet, Sum

from memberships.models import Invoice, Subscription
from paycore.money import Money


def credit_left(user_id: str, *, currency: str) -> Money:
    """Of memberships that ended, and what one that was never paid took of it: that makes room for the next."""
    total = _left(user_id, currency).aggregate(total=Sum("credit_minor", default=0))["total"]
    tried = Subscription.objects.filter(user_id=user_id, currency=currency, status=Subscription.Status.INCOMPLETE)
    kept = tried.aggregate(total=Sum("credit_minor", default=0))["total"]
    held = Invoice.objects.filter(subscription__in=tried, status=Invoice.Status.OPEN)
    return Money(total + kept + held.aggregate(total=Sum("credit_minor", default=0))["total"], currency)


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
