"""Where users are reached, for the kernel's notifications."""

from accounts.models import User
from paycore.notifications.addresses import Address


def address_of(user_id: str) -> Address | None:
    """None for an unknown or deactivated user: nobody writes to those."""
    row = User.objects.filter(id=user_id, is_active=True).values_list("email", "phone", "locale").first()
    if row is None:
        return None
    email, phone, locale = row
    return Address(email=email or "", phone=phone or "", language=locale)
