"""Where users are reached, for the kernel's notifications."""

from django.db.models import Q

from accounts.models import User
from paycore.notifications.addresses import Address


def address_of(user_id: str) -> Address | None:
    """None for an unknown or deactivated user: nobody writes to those. Who closed the account hears what follows."""
    reachable = User.objects.filter(Q(is_active=True) | Q(closed_at__isnull=False))
    row = reachable.filter(id=user_id).values_list("email", "phone", "locale").first()
    if row is None:
        return None
    email, phone, locale = row
    return Address(email=email or "", phone=phone or "", language=locale)
