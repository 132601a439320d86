"""What can happen to a merchant, its members and its keys."""

import hashlib
import secrets
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from merchants.errors import MerchantNotActive
from merchants.events import MerchantStatusChanged
from merchants.models import ApiKey, Merchant, MerchantMember
from merchants.transitions import MERCHANT_STATES
from paycore.errors import NotFound
from paycore.events import publish
from paycore.money import Money

if TYPE_CHECKING:
    from accounts.models import User

SECRET_PREFIX = "sk_"  # noqa: S105 the public part
_SHOWN_CHARACTERS = 8


def create_merchant(
    *,
    name: str,
    country: str,
    legal_name: str = "",
    home_currency: str = "USD",
    fee_basis_points: int = 0,
    fee_fixed_minor: int = 0,
    refund_review_above_minor: int | None = None,
    owner: "User | None" = None,
    is_platform: bool = False,
) -> Merchant:
    """A draft, with its owner when one is named. A second platform is an ``IntegrityError``."""
    Money(fee_fixed_minor, home_currency)
    with transaction.atomic():
        merchant = Merchant.objects.create(
            name=name,
            legal_name=legal_name,
            country=country,
            home_currency=home_currency,
            fee_basis_points=fee_basis_points,
            fee_fixed_minor=fee_fixed_minor,
            refund_review_above_minor=refund_review_above_minor,
            is_platform=is_platform,
        )
        if owner is not None:
            add_member(merchant=merchant, user=owner, role=MerchantMember.Role.OWNER)
    return merchant


def add_member(*, merchant: Merchant, user: "User", role: str) -> MerchantMember:
    """Give ``user`` this role at the merchant, instead of the one held before."""
    member, _created = MerchantMember.objects.update_or_create(merchant=merchant, user=user, defaults={"role": role})
    return member


def submit_merchant(*, merchant_id: str) -> Merchant:
    return _advance(merchant_id=merchant_id, target=Merchant.Status.SUBMITTED)


def approve_merchant(*, merchant_id: str) -> Merchant:
    """From submitted, or back from suspended."""
    return _advance(merchant_id=merchant_id, target=Merchant.Status.APPROVED)


def return_merchant(*, merchant_id: str) -> Merchant:
    return _advance(merchant_id=merchant_id, target=Merchant.Status.RETURNED)


def suspend_merchant(*, merchant_id: str) -> Merchant:
    """Its API keys are refused from the next request on."""
    return _advance(merchant_id=merchant_id, target=Merchant.Status.SUSPENDED)


def close_merchant(*, merchant_id: str) -> Merchant:
    return _advance(merchant_id=merchant_id, target=Merchant.Status.CLOSED)


def create_api_key(*, merchant: Merchant, name: str, created_by: "User | None") -> tuple[ApiKey, str]:
    """The key and its secret (``sk_`` and 43 URL-safe characters), which can never be shown again."""
    if merchant.status == Merchant.Status.CLOSED:
        raise MerchantNotActive
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        merchant=merchant,
        name=name,
        prefix=secret[:_SHOWN_CHARACTERS],
        secret_hash=hash_secret(secret),
        created_by=created_by,
    )
    return key, secret


def revoke_api_key(*, key_id: str, merchant_id: str) -> bool:
    """Whether it was still good: a second call changes nothing. Another merchant's key is ``NotFound``."""
    keys = ApiKey.objects.filter(id=key_id, merchant_id=merchant_id)
    was_good = keys.filter(revoked_at__isnull=True).update(revoked_at=Now())
    if not was_good and not keys.exists():
        raise NotFound
    return bool(was_good)


def hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _advance(*, merchant_id: str, target: str) -> Merchant:
    with transaction.atomic():
        merchant = Merchant.objects.select_for_update(no_key=True).filter(id=merchant_id).first()
        if merchant is None:
            raise NotFound
        MERCHANT_STATES.require(merchant.status, target)
        merchant.status = target
        merchant.save(update_fields=["status", "updated_at"])
        publish(MerchantStatusChanged(merchant_id=merchant.id, status=target))
    return merchant
