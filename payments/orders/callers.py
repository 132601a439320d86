"""From an authenticated request to who asks."""

from rest_framework.request import Request

from merchants.authentication import MerchantCaller
from payments.orders.queries import Viewer


def viewer_of(request: Request) -> Viewer:
    """A merchant's server or a user; the permission classes have seen to it that it is one of them."""
    if isinstance(request.auth, MerchantCaller):
        return Viewer(merchant_id=request.auth.merchant_id)
    return Viewer(user_id=str(request.user.pk))


def actor_of(request: Request) -> str:
    """Whose deed it is, for the record: the key's id or the user's."""
    return request.auth.key_id if isinstance(request.auth, MerchantCaller) else str(request.user.pk)
