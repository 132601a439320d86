"""Stripe's smallest units and ours, and the currencies it takes.

Source: docs.stripe.com/currencies, "Minor units in API amounts" and "Special cases".
"""

from payments.gateways.contract import GatewayRejected
from payments.gateways.stripe.json_words import NotUnderstood

_TIMES_HUNDRED = frozenset({"ISK", "UGX"})
"""Without decimals by ISO 4217; Stripe still wants two, always zero."""
_ENDS_IN_ZERO = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Three decimals, of which the last must be zero."""
CURRENCIES = frozenset(
    currency
    for line in (
        "AED ARS AUD BDT BHD BIF BRL CAD CHF CLP CNY COP CZK DJF DKK EGP EUR GBP GNF HKD HUF IDR ILS INR ISK JOD JPY",
        "KES KMF KRW KWD KZT LKR MAD MOP MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RWF SAR SEK SGD THB TND",
        "TRY TWD TZS UAH UGX USD VND VUV XAF XOF XPF ZAR",
    )
    for currency in line.split()
)
"""Those of paycore.money that cards can be charged in; a single account may take fewer."""


def to_stripe(amount_minor: int, currency: str) -> int:
    if currency in _TIMES_HUNDRED:
        return amount_minor * 100
    if currency in _ENDS_IN_ZERO and amount_minor % 10:
        raise GatewayRejected(f"Stripe takes {currency} only in steps of 0.010", code="amount_not_supported")
    return amount_minor


def fee_from_stripe(amount: int, currency: str) -> int | None:
    """None for a part of a unit that we cannot write down: fees of Stripe's have no such rule as amounts."""
    try:
        return from_stripe(amount, currency)
    except NotUnderstood:
        return None


def from_stripe(amount: int, currency: str) -> int:
    """Raises NotUnderstood for what cannot be said in whole units of ours."""
    if currency not in _TIMES_HUNDRED:
        return amount
    whole, rest = divmod(amount, 100)
    if rest:
        raise NotUnderstood(f"{amount} {currency}")
    return whole
