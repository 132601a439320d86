"""What rules can read: every fact with its type, meaning and an example. The page in docs/risk.md is made from this."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NUMBER, TEXT, YES_NO, TEXTS = "number", "text", "yes/no", "texts"
TYPE_NAMES: "dict[str, StrOrPromise]" = {
    NUMBER: _("number"),
    TEXT: _("text"),
    YES_NO: _("yes/no"),
    TEXTS: _("texts"),
}

WINDOWS = {"1m": 60, "1h": 3_600, "24h": 86_400, "7d": 604_800}
"""Names and seconds."""
DIMENSIONS = ("user", "ip", "device", "payment_method", "merchant")
MEASURES = ("count", "sum")


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    type: str
    meaning: "StrOrPromise"
    example: str


_PLAIN = (
    Fact("amount_minor", NUMBER, _("The amount in the currency's smallest unit."), "amount_minor > 50000"),
    Fact("currency", TEXT, _("The currency's code."), 'currency in ["USD", "EUR"]'),
    Fact("method", TEXT, _("The payment method."), 'method == "card"'),
    Fact("merchant_id", TEXT, _("The merchant's id."), 'merchant_id == "mer_01jd"'),
    Fact("user_id", TEXT, _("The payer's id; empty when the payer has no account."), 'user_id != ""'),
    Fact("is_known_user", YES_NO, _("The payer has an account."), "not is_known_user"),
    Fact("ip", TEXT, _("The payer's address; empty when unknown."), 'ip == ""'),
    Fact("device_id", TEXT, _("The payer's device; empty when unknown."), 'device_id == ""'),
    Fact("payment_method_key", TEXT, _("The saved payment method; empty when none."), 'payment_method_key != ""'),
    Fact("hour_utc", NUMBER, _("The hour of the day, 0 to 23, UTC."), "hour_utc < 5"),
    Fact("weekday_utc", NUMBER, _("1 is Monday, 7 is Sunday, UTC."), "weekday_utc >= 6"),
)

_KNOWN = (
    Fact("user_age_days", NUMBER, _("Whole days since the payer joined; 0 without an account."), "user_age_days < 7"),
    Fact("kyc_level", NUMBER, _("The payer's identity level, 0 to 2; 0 without an account."), "kyc_level == 0"),
    Fact("user_rating", NUMBER, _("The payer's score, 0 (no known risk) to 100."), "user_rating >= 50"),
    Fact("merchant_rating", NUMBER, _("The merchant's score, 0 (no known risk) to 100."), "merchant_rating >= 50"),
    Fact(
        "is_first_purchase",
        YES_NO,
        _("No earlier payment of this payer went through or is under way."),
        "is_first_purchase",
    ),
    Fact("is_new_device", YES_NO, _("This payer never used this device before."), "is_new_device and is_known_user"),
)

_LISTS = (
    Fact("lists", TEXTS, _("The names of the lists that the payment is on."), '"stolen_cards" in lists'),
    Fact("on_block_list", YES_NO, _("Something of the payment is on a block list."), "on_block_list"),
    Fact("on_allow_list", YES_NO, _("Something of the payment is on an allow list."), "not on_allow_list"),
)

_WHOSE = {
    "user": _("this payer"),
    "ip": _("this address"),
    "device": _("this device"),
    "payment_method": _("this saved payment method"),
    "merchant": _("this merchant"),
}
_WHAT = {
    "count": _("Attempts, with this one, of %(whose)s in the last %(window)s."),
    "sum": _("Amount, with this one, in this currency's smallest unit, of %(whose)s in the last %(window)s."),
}
_LONG = {"1m": _("minute"), "1h": _("hour"), "24h": _("24 hours"), "7d": _("7 days")}


def velocity_fact(dimension: str, measure: str, window: str) -> str:
    return f"{dimension}_{measure}_{window}"


class _Filled:
    """A lazy text with lazy parts: it is put together in the reader's language."""

    def __init__(self, template: "StrOrPromise", **parts: "StrOrPromise") -> None:
        self.template, self.parts = template, parts

    def __str__(self) -> str:
        return str(self.template) % {name: str(part) for name, part in self.parts.items()}


_VELOCITY = tuple(
    Fact(
        velocity_fact(dimension, measure, window),
        NUMBER,
        _Filled(_WHAT[measure], whose=_WHOSE[dimension], window=_LONG[window]),  # type: ignore[arg-type]  # read as text
        f"{velocity_fact(dimension, measure, window)} > {5 if measure == 'count' else 100_000}",
    )
    for dimension in DIMENSIONS
    for measure in MEASURES
    for window in WINDOWS
)

FACTS = (*_PLAIN, *_KNOWN, *_LISTS, *_VELOCITY)
FACT_NAMES = frozenset(fact.name for fact in FACTS)
KNOWN_FACTS = frozenset(fact.name for fact in _KNOWN)
"""Read from PostgreSQL, when a rule asks for them."""
LIST_FACTS = frozenset(fact.name for fact in _LISTS)
COUNTERS = {
    velocity_fact(dimension, measure, window): (dimension, measure, window)
    for dimension in DIMENSIONS
    for measure in MEASURES
    for window in WINDOWS
}
"""Facts that need the velocity store, and which of its counters."""
