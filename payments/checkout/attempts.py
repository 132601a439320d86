"""How often a payer may try, and turning back from an attempt that still waits for the payer."""

import math

from django.utils.translation import gettext_lazy as _

from paycore import throttling
from paycore.errors import PaycoreError
from payments.checkout.models import CheckoutSession
from payments.orders.models import Payment
from payments.orders.queries import latest_payment
from payments.orders.services import close_payment


class TooManyAttempts(PaycoreError):
    code, http_status = "throttled", 429
    title = _("There were too many attempts")


def count_attempt(session: CheckoutSession) -> None:
    """Count one request to pay. Raises :class:`TooManyAttempts`."""
    _count(session, scope="pay_page")


def count_code(session: CheckoutSession) -> None:
    """Count one code that was tried. Raises :class:`TooManyAttempts`."""
    _count(session, scope="promotion_check")


def give_up_attempt(session: CheckoutSession) -> Payment | None:
    """Close at the gateway the attempt that waits for the payer, so that another way to pay may be chosen.

    Only such a one: whatever else is under way may already have taken money. The payment as it is afterwards.
    """
    payment = latest_payment(session.order)
    if payment is None or payment.status != Payment.Status.REQUIRES_ACTION:
        return payment
    return close_payment(payment)


def _count(session: CheckoutSession, *, scope: str) -> None:
    allowance = throttling.take(scope=scope, identity=session.id)
    if not allowance.is_allowed:
        raise TooManyAttempts(retry_after_seconds=max(1, math.ceil(allowance.retry_after_seconds)))
