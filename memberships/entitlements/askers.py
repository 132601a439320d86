"""Whom a caller may name: whose rights a merchant's server may ask about, and whose uses it may count."""

from rest_framework.request import Request

from accounts.models import User
from merchants.authentication import MerchantCaller
from merchants.queries import known_merchant
from paycore.errors import NotFound, PermissionRefused
from payments.models import Mandate, Order


def require_known_user(merchant_id: str, user_id: str) -> None:
    """NotFound unless the user paid this merchant something or agreed to be charged by it; the platform knows all."""
    if known_merchant(merchant_id).is_platform:
        known = User.objects.filter(id=user_id).exists()
    else:
        known = _has_paid(merchant_id, user_id) or _has_agreed(merchant_id, user_id)
    if not known:
        raise NotFound


def whose(request: Request, named: str | None) -> str:
    """A person speaks for themselves, the platform's server for the user that it names. NotFound for somebody else,
    PermissionRefused for another merchant's server."""
    if isinstance(request.auth, MerchantCaller):
        require_known_user(request.auth.merchant_id, named or "")
        if not known_merchant(request.auth.merchant_id).is_platform:
            raise PermissionRefused
        return named or ""
    own = str(request.user.pk)
    if named not in (None, own):
        raise NotFound
    return own


def _has_paid(merchant_id: str, user_id: str) -> bool:
    return Order.objects.filter(user_id=user_id, merchant_id=merchant_id, status=Order.Status.PAID).exists()


def _has_agreed(merchant_id: str, user_id: str) -> bool:
    in_force = Mandate.objects.filter(merchant_id=merchant_id, status=Mandate.Status.ACTIVE)
    return in_force.filter(payment_method__user_id=user_id).exists()
