"""A person leaves: nothing of theirs can be charged again, and what identifies them goes.

The provider is still told to forget each token: until then the row keeps it, sealed. Amounts, dates and the texts'
versions of mandates stay, as the books they explain do.
"""

from paycore.clock import database_now
from payments.methods import keeping
from payments.methods.models import GatewayCustomer, Mandate, PaymentMethod


def forget_methods(user_id: str) -> None:
    """In the erasure's transaction."""
    keeping.lock_methods_of(user_id)
    now = database_now()
    rows = PaymentMethod.objects.filter(user_id=user_id)
    for method in rows.exclude(status=PaymentMethod.Status.REMOVED).order_by("is_default", "id"):
        keeping.take_out(method, now=now, by="erased", is_forgotten=False)
    rows.update(
        last4="", brand="", label="", country="", expiry_month=None, expiry_year=None, fingerprint=None, action=None
    )
    Mandate.objects.filter(payment_method__user_id=user_id).update(ip_address=None, device_id="", user_agent="")
    GatewayCustomer.objects.filter(user_id=user_id).delete()
