"""Who may enter the merchant console. The kernel does not know merchants: the app that does says who."""

from collections.abc import Callable

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

Visitor = AbstractBaseUser | AnonymousUser


def _nobody(visitor: Visitor) -> bool:
    return False


_is_admitted: Callable[[Visitor], bool] = _nobody


def admit_merchants_by(function: Callable[[Visitor], bool]) -> None:
    """``function`` decides from now on; until the first call nobody is let in."""
    global _is_admitted
    _is_admitted = function


def is_merchant_user(visitor: Visitor) -> bool:
    return _is_admitted(visitor)
