"""A merchant is made, and what can happen to the keys of its servers. Its review is in :mod:`merchants.onboarding`,
its people in :mod:`merchants.members`."""

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from merchants.errors import KeyNotActive, MerchantNotActive, PlatformExists
from merchants.models import ApiKey, Merchant, MerchantMember
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.money import Money

if TYPE_CHECKING:
    from accounts.models import User

SECRET_PREFIX = "sk_"  # noqa: S105 the public part
_SHOWN_CHARACTERS = 8
MOST_NETWORKS = 20


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key may do (``full`` or ``read``), where it may be used from (empty: anywhere), and until when."""

    access: str = ApiKey.Access.FULL
    allowed_networks: Sequence[str] = ()
    expires_at: datetime | None = None


UNLIMITED = KeyTerms()


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


def create_platform(*, name: str, legal_name: str, country: str, home_currency: str) -> Merchant:
    """The company itself, approved at once, for nobody could review it. Raises :class:`PlatformExists`."""
    try:
        with transaction.atomic():
            return Merchant.objects.create(
                name=name,
                legal_name=legal_name,
                country=country,
                home_currency=home_currency,
                status=Merchant.Status.APPROVED,
                is_platform=True,
                fees_confirmed_at=Now(),
            )
    except IntegrityError as error:
        if "merchant_one_platform" in str(error):
            raise PlatformExists from error
        raise


def add_member(*, merchant: Merchant, user: "User", role: str) -> MerchantMember:
    """Give ``user`` this role at the merchant, instead of the one held before."""
    member, _created = MerchantMember.objects.update_or_create(merchant=merchant, user=user, defaults={"role": role})
    return member


def create_api_key(
    *, merchant: Merchant, name: str, created_by: "User | None", terms: KeyTerms = UNLIMITED
) -> tuple[ApiKey, str]:
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
        access=terms.access,
        allowed_networks=list(terms.allowed_networks),
        expires_at=terms.expires_at,
    )
    return key, secret


def change_api_key(*, key_id: str, merchant_id: str, name: str, allowed_networks: Sequence[str]) -> ApiKey:
    """What a key is called and where it may be used from; what it may do never changes. KeyNotActive for a dead one."""
    with transaction.atomic():
        key = _lock_live_key(key_id, merchant_id=merchant_id)
        key.name, key.allowed_networks = name, list(allowed_networks)
        key.save(update_fields=["name", "allowed_networks"])
    return key


def rotate_api_key(*, key_id: str, merchant_id: str, created_by: "User", keep_hours: int) -> tuple[ApiKey, str]:
    """A new key with the same terms and its secret; the old one works for ``keep_hours`` more (0: it stops now).

    KeyNotActive when it was revoked, has expired or was replaced already.
    """
    with transaction.atomic():
        old = _lock_live_key(key_id, merchant_id=merchant_id)
        if old.replaced_by_id:
            raise KeyNotActive
        terms = KeyTerms(access=old.access, allowed_networks=tuple(old.allowed_networks), expires_at=old.expires_at)
        new, secret = create_api_key(merchant=old.merchant, name=old.name, created_by=created_by, terms=terms)
        until = database_now() + timedelta(hours=keep_hours)
        old.replaced_by, old.expires_at = new, min(filter(None, (old.expires_at, until)))
        old.save(update_fields=["replaced_by", "expires_at"])
    return new, secret


def revoke_api_key(*, key_id: str, merchant_id: str) -> bool:
    """Whether it was still good: a second call changes nothing. Another merchant's key is ``NotFound``."""
    keys = ApiKey.objects.filter(id=key_id, merchant_id=merchant_id)
    was_good = keys.filter(revoked_at__isnull=True).update(revoked_at=Now())
    if not was_good and not keys.exists():
        raise NotFound
    return bool(was_good)


def parse_networks(text: str) -> list[str]:
    """``"203.0.113.7, 2001:db8::/48"`` as networks, each once. ``ValueError`` names the first that is none."""
    networks = []
    for part in text.replace(",", " ").split():
        networks.append(str(ipaddress.ip_network(part)))
    return list(dict.fromkeys(networks))


def hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _lock_live_key(key_id: str, *, merchant_id: str) -> ApiKey:
    keys = ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("merchant")
    key = keys.filter(id=key_id, merchant_id=merchant_id).first()
    if key is None:
        raise NotFound
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= database_now()):
        raise KeyNotActive
    return key
