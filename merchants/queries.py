"""Reading about merchants."""

from collections.abc import Sequence

from merchants.errors import NoPlatformMerchant
from merchants.models import Merchant, MerchantMember
from paycore.errors import NotFound
from paycore.fresh import Fresh
from paycore.money import Money


def platform_merchant() -> Merchant:
    """The merchant that sells the platform's own memberships. Raises :class:`NoPlatformMerchant`."""
    merchant = Merchant.objects.filter(is_platform=True).first()
    if merchant is None:
        raise NoPlatformMerchant
    return merchant


def get_merchant(merchant_id: str) -> Merchant:
    merchant = Merchant.objects.filter(id=merchant_id).first()
    if merchant is None:
        raise NotFound
    return merchant


def known_merchant(merchant_id: str) -> Merchant:
    """For its fees, name and whether it may sell: may be two seconds old."""
    return _known.get(merchant_id)


def may_sell(merchant_id: str) -> bool:
    """Not while it is suspended, nor before its approval or after its end."""
    return known_merchant(merchant_id).status == Merchant.Status.APPROVED


_known = Fresh(get_merchant)


def merchant_fee(merchant: Merchant, amount: Money) -> Money:
    """What the platform keeps of ``amount``: the share, and the fixed fee if it is in the home currency; never more
    than the amount."""
    fee, _rest = amount.split_basis_points(merchant.fee_basis_points)
    if amount.currency == merchant.home_currency:
        fee += Money(merchant.fee_fixed_minor, amount.currency)
    return min(fee, amount)


def refund_needs_review(merchant: Merchant, amount: Money) -> bool:
    """Whether a person must approve a refund of ``amount``: always in a currency other than the home currency."""
    if merchant.refund_review_above_minor is None or amount.currency != merchant.home_currency:
        return True
    return amount.minor > merchant.refund_review_above_minor


def memberships_of(user_id: str) -> Sequence[MerchantMember]:
    """The user's roles at merchants that are not closed, whatever their status, oldest first."""
    members = MerchantMember.objects.filter(user_id=user_id).exclude(merchant__status=Merchant.Status.CLOSED)
    return list(members.select_related("merchant").order_by("id"))


def membership_at(merchant_id: str, *, user_id: str) -> MerchantMember:
    """The user's role at this merchant. NotFound for strangers: they do not learn that it exists."""
    member = MerchantMember.objects.filter(merchant_id=merchant_id, user_id=user_id).select_related("merchant").first()
    if member is None:
        raise NotFound
    return member
