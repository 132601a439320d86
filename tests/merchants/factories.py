"""Merchants and people as tests need them."""

import itertools

from accounts.models import User
from merchants.models import Merchant, MerchantMember
from merchants.services import add_member, create_api_key

_numbers = itertools.count(1)


def make_user(*, is_staff: bool = False, is_superuser: bool = False, password: str = "correct horse") -> User:
    return User.objects.create_user(
        email=f"person{next(_numbers)}@example.com", password=password, is_staff=is_staff, is_superuser=is_superuser
    )


def make_merchant(*, status: str = "approved", name: str = "", **fields: object) -> Merchant:
    return Merchant.objects.create(name=name or f"Shop {next(_numbers)}", country="SG", status=status, **fields)


def make_member(*, merchant: Merchant, role: str = "owner") -> MerchantMember:
    return add_member(merchant=merchant, user=make_user(), role=role)


def make_secret(*, merchant: Merchant) -> str:
    return create_api_key(merchant=merchant, name="server", created_by=None)[1]
