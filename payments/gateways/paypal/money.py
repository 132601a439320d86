"""Amounts as PayPal writes them: a decimal string and a currency.

PayPal takes no decimals for HUF, JPY and TWD (developer.paypal.com, "Currency codes"), though ISO 4217 gives HUF and
TWD two: an amount that needs them cannot be said to PayPal.
"""

import re
from decimal import Decimal
from typing import Any

from payments.gateways.contract import GatewayRejected

WITHOUT_DECIMALS = frozenset({"HUF", "JPY", "TWD"})
_ISO_DECIMALS = {"JPY": 0}
_CODES = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
CURRENCIES = frozenset(_CODES.split())
_VALUE = re.compile(r"-?[0-9]{1,17}(\.[0-9]{1,4})?")


class NotAnAmount(ValueError):
    """Not PayPal's form of an amount, in a currency that it does not have, or with more decimals than there are."""


def iso_decimals(currency: str) -> int:
    return _ISO_DECIMALS.get(currency, 2)


def money_words(amount_minor: int, currency: str) -> dict[str, str]:
    """Raises GatewayRejected for what PayPal cannot take: nothing was asked yet."""
    if currency not in CURRENCIES:
        raise GatewayRejected(f"PayPal has no {currency}", code="currency_not_supported")
    if amount_minor <= 0:
        raise GatewayRejected("PayPal takes positive amounts only", code="amount_not_supported")
    decimals = iso_decimals(currency)
    value = Decimal(amount_minor).scaleb(-decimals)
    if currency in WITHOUT_DECIMALS:
        if value != value.to_integral_value():
            raise GatewayRejected(f"PayPal takes whole {currency} only", code="amount_not_supported")
        return {"currency_code": currency, "value": str(int(value))}
    return {"currency_code": currency, "value": f"{value:.{decimals}f}"}


def read_money(words: Any) -> tuple[int, str]:
    """Minor units and currency. Raises :class:`NotAnAmount`."""
    value = words.get("value") if isinstance(words, dict) else None
    currency = words.get("currency_code") if isinstance(words, dict) else None
    if not isinstance(value, str) or not isinstance(currency, str):
        raise NotAnAmount("no value or no currency")
    return read_value(value, currency), currency


def read_value(value: str, currency: str) -> int:
    if currency not in CURRENCIES or _VALUE.fullmatch(value) is None:
        raise NotAnAmount(f"{value[:40]!r} {currency[:10]!r}")
    minor = Decimal(value).scaleb(iso_decimals(currency))
    if minor != minor.to_integral_value():
        raise NotAnAmount(f"{value} {currency} has too many decimals")
    return int(minor)
