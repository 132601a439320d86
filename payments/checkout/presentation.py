"""In what words and pictures the hosted page shows methods, declines and test cards."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_ICONS = "paycore/methods"


@dataclass(frozen=True, slots=True)
class MethodLook:
    """How one payment method is offered. ``icon`` is a static file's name."""

    code: str
    name: "StrOrPromise"
    hint: "StrOrPromise"
    icon: str


@dataclass(frozen=True, slots=True)
class FailureText:
    """What happened, and what the payer can do about it."""

    headline: "StrOrPromise"
    advice: "StrOrPromise"


@dataclass(frozen=True, slots=True)
class TestCard:
    """A token of the sandbox provider; there is no card number behind it."""

    token: str
    name: "StrOrPromise"


METHODS = {
    look.code: look
    for look in (
        MethodLook("card", _("Card"), _("Debit or credit card"), f"{_ICONS}/card.svg"),
        MethodLook(
            "sandbox_redirect", _("Online banking"), _("You confirm on the provider's page"), f"{_ICONS}/bank.svg"
        ),
        MethodLook("sandbox_qr", _("QR code"), _("Scan with your phone"), f"{_ICONS}/qr.svg"),
    )
}

_TRY_ANOTHER = _("Choose another way to pay, or ask your bank.")
_DECLINED = FailureText(_("The payment was declined"), _TRY_ANOTHER)
_FAILURES = {
    "insufficient_funds": FailureText(
        _("There is not enough money on this card"), _("Use another card or another way to pay.")
    ),
    "expired_card": FailureText(_("This card has expired"), _("Use a card that is still valid.")),
    "limit_exceeded": FailureText(
        _("The amount is above the limit of this card"), _("Ask your bank to raise the limit, or pay another way.")
    ),
    "authentication_failed": FailureText(
        _("Your bank could not confirm that it is you"), _("Try again and finish the confirmation, or pay another way.")
    ),
    "payer_declined": FailureText(
        _("You did not approve the payment"), _("If that was a mistake, try again; nothing was charged.")
    ),
    "account_closed": FailureText(
        _("This account can no longer be used"), _("Use another card or another way to pay.")
    ),
    "gateway_unavailable": FailureText(
        _("This way to pay is not reachable right now"),
        _("Nothing was charged. Try again in a moment, or pay another way."),
    ),
    "gateway_rejected": FailureText(
        _("This way to pay cannot take this payment"), _("Nothing was charged. Choose another way to pay.")
    ),
}
"""A lost, stolen or suspected card is told nothing but "declined": whoever holds it should not learn why."""

_REFUSALS = {
    "method_not_available": FailureText(
        _("This way to pay cannot take this payment"), _("Nothing was charged. Choose another way to pay.")
    ),
    "payment_refused_by_risk": _DECLINED,
    "throttled": FailureText(_("There were too many attempts"), _("Nothing was charged. Wait a minute and try again.")),
}

TEST_CARDS = (
    TestCard("tok_approve", _("Payment approved")),
    TestCard("tok_decline_insufficient_funds", _("Declined: not enough money")),
    TestCard("tok_decline_expired_card", _("Declined: expired card")),
    TestCard("tok_decline_card_declined", _("Declined: no reason given")),
    TestCard("tok_require_action", _("Asks the payer to confirm (3-D Secure)")),
    TestCard("tok_succeed_after", _("Slow: approved after five seconds")),
    TestCard("tok_decline_after", _("Slow: declined after five seconds")),
    TestCard("tok_timeout_after_effect", _("No answer in time, though approved")),
    TestCard("tok_unavailable", _("Provider not reachable")),
)
TEST_TOKENS = frozenset(card.token for card in TEST_CARDS)


def look_of(method: str) -> MethodLook:
    """Also for a method that has no entry here."""
    known = METHODS.get(method)
    return known or MethodLook(method, method.replace("_", " ").capitalize(), "", f"{_ICONS}/other.svg")


def failure_text(code: str) -> FailureText:
    """For one of our failure codes; an unknown one is a plain decline."""
    return _FAILURES.get(code, _DECLINED)


def refusal_text(error: PaycoreError) -> FailureText:
    """For what was refused before any provider was asked; programs' titles only where payers have no better words."""
    return _REFUSALS.get(error.code) or FailureText(error.title, error.detail)
