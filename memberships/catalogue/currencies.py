"""The currency in which somebody who named none is shown what is for sale."""

from collections.abc import Collection

from babel.core import get_global
from babel.numbers import get_territory_currencies
from django.utils.translation.trans_real import parse_accept_lang_header

from accounts.models import DEFAULT_CURRENCY
from paycore.countries import COUNTRIES
from paycore.money import CURRENCIES


def guess_currency(accept_language: str, *, on_sale: Collection[str]) -> str:
    """Of the country that the most wanted language names or is mostly spoken in, if something is sold in it."""
    for tag, _weight in parse_accept_lang_header(accept_language):
        currency = _currency_of(_territory(tag))
        if currency in on_sale:
            return currency
    return DEFAULT_CURRENCY if DEFAULT_CURRENCY in on_sale else min(on_sale, default=DEFAULT_CURRENCY)


def _territory(tag: str) -> str:
    """``zh-cn`` → CN, ``zh-hans`` → CN, ``de`` → DE; empty for what is no known language."""
    language, *more = tag.split("-")
    for part in more:
        if len(part) == 2 and part.isalpha():
            return part.upper()
    known: dict[str, str] = dict(get_global("likely_subtags"))
    script = next((part.title() for part in more if len(part) == 4), "")
    return (known.get(f"{language}_{script}") or known.get(language, "")).rpartition("_")[2]


def _currency_of(territory: str) -> str:
    names = get_territory_currencies(territory) if territory in COUNTRIES else []
    return next((name for name in names if name in CURRENCIES), "")
