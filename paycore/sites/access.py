"""Who may enter the merchant console, and for whom. The kernel does not know merchants: the app that does says who."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Visitor = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True)
class MerchantChoice:
    """One merchant that the visitor may act for. ``detail`` says in what state it is, if that matters."""

    id: str
    title: str
    detail: "StrOrPromise" = ""
    is_chosen: bool = False


def _nobody(visitor: Visitor) -> bool:
    return False


def _none(request: HttpRequest) -> Sequence[MerchantChoice]:
    return ()


def _refuse(request: HttpRequest, merchant_id: str) -> bool:
    return False


_is_admitted: Callable[[Visitor], bool] = _nobody
_choices: Callable[[HttpRequest], Sequence[MerchantChoice]] = _none
_choose: Callable[[HttpRequest, str], bool] = _refuse


def admit_merchants_by(function: Callable[[Visitor], bool]) -> None:
    """``function`` decides from now on; until the first call nobody is let in."""
    global _is_admitted
    _is_admitted = function


def offer_merchants_by(
    choices: Callable[[HttpRequest], Sequence[MerchantChoice]], *, choose: Callable[[HttpRequest, str], bool]
) -> None:
    """``choices`` are shown to the visitor; ``choose`` makes one theirs for this session, or answers False."""
    global _choices, _choose
    _choices, _choose = choices, choose


def is_merchant_user(visitor: Visitor) -> bool:
    return _is_admitted(visitor)


def merchant_choices(request: HttpRequest) -> Sequence[MerchantChoice]:
    return _choices(request)


def choose_merchant(request: HttpRequest, merchant_id: str) -> bool:
    return _choose(request, merchant_id)
