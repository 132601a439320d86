"""How much may come in, stay and go out, by currency: ``PAYCORE_WALLET_…`` (``USD=5,EUR=5``, in major units)."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from paycore.errors import PaycoreError
from paycore.money import Money
from payments.wallet.errors import AmountOutsideLimits, CurrencyNotOffered


def check_top_up(amount: Money) -> None:
    """CurrencyNotOffered, AmountOutsideLimits."""
    _check("PAYCORE_WALLET_TOP_UP_MIN", "PAYCORE_WALLET_TOP_UP_MAX", amount)


def check_withdrawal(amount: Money) -> None:
    """CurrencyNotOffered, AmountOutsideLimits."""
    _check("PAYCORE_WALLET_WITHDRAWAL_MIN", "PAYCORE_WALLET_WITHDRAWAL_MAX", amount)


def largest_balance(currency: str) -> Money | None:
    """What a wallet may hold by topping up; None: any amount."""
    return _limit("PAYCORE_WALLET_BALANCE_MAX", currency)


def needs_second_person(amount: Money) -> bool:
    """Whether two people must agree to a withdrawal; without a limit in its currency, always."""
    limit = _limit("PAYCORE_WALLET_WITHDRAWAL_SECOND_PERSON_ABOVE", amount.currency)
    return limit is None or amount > limit


def _check(smallest: str, largest: str, amount: Money) -> None:
    least, most = _limit(smallest, amount.currency), _limit(largest, amount.currency)
    if least is None or most is None:
        raise CurrencyNotOffered(currency=amount.currency)
    if not least <= amount <= most:
        raise AmountOutsideLimits(min_minor=least.minor, max_minor=most.minor, currency=amount.currency)


def _limit(name: str, currency: str) -> Money | None:
    for item in getattr(settings, name):
        code, _equals, major = item.partition("=")
        if code.strip() == currency:
            try:
                return Money.from_major(major.strip(), currency)
            except PaycoreError as error:
                raise ImproperlyConfigured(f"{name}: {item} is not an amount like USD=5.") from error
    return None
