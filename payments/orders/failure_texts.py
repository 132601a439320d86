"""Why a payment failed, in words for the payer: what happened, and what can be done about it.

One row for every code of :mod:`payments.gateways.failures` that is told apart; the rest is a plain decline.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from payments.gateways.failures import failure_of

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class FailureText:
    """What happened, and what the payer can do about it."""

    headline: "StrOrPromise"
    advice: "StrOrPromise"


_PAY_ANOTHER_WAY = _("Use another card or another way to pay.")
DECLINED = FailureText(_("The payment was declined"), _("Choose another way to pay, or ask your bank."))
_CANNOT_TAKE_IT = FailureText(
    _("This way to pay cannot take this payment"), _("Nothing was charged. Choose another way to pay.")
)
_NOT_REACHABLE = FailureText(
    _("This way to pay is not reachable right now"),
    _("Nothing was charged. Try again in a moment, or pay another way."),
)
_TEXTS = {
    "declined": DECLINED,
    "card_declined": DECLINED,
    "insufficient_funds": FailureText(_("There is not enough money on this card"), _PAY_ANOTHER_WAY),
    "expired_card": FailureText(_("This card has expired"), _("Use a card that is still valid.")),
    "invalid_details": FailureText(
        _("Something in the card's or account's details is wrong"), _("Check them and try again, or pay another way.")
    ),
    "limit_exceeded": FailureText(
        _("The amount is above the limit of this card"), _("Ask your bank to raise the limit, or pay another way.")
    ),
    "account_closed": FailureText(_("This account can no longer be used"), _PAY_ANOTHER_WAY),
    "payer_declined": FailureText(
        _("You did not approve the payment"), _("If that was a mistake, try again; nothing was charged.")
    ),
    "payer_timeout": FailureText(
        _("The payment was not confirmed in time"), _("Nothing was charged. Start again when you are ready.")
    ),
    "authentication_failed": FailureText(
        _("Your bank could not confirm that it is you"), _("Try again and finish the confirmation, or pay another way.")
    ),
    "authentication_required": FailureText(
        _("Your bank wants you to confirm this payment"), _("Pay it yourself, in the app or on the page, and confirm.")
    ),
    "mandate_ended": FailureText(
        _("The agreement to charge this payment method has ended"), _("Save it again, or pay another way.")
    ),
    "lost_or_stolen": DECLINED,
    "suspected_fraud": DECLINED,
    "closed": FailureText(_("This attempt to pay was closed"), _("Nothing was charged. Start again.")),
    "gateway_rejected": _CANNOT_TAKE_IT,
    "outside_hours": FailureText(
        _("This way to pay takes no payments at this hour"), _("It is tried again when it does, or pay another way.")
    ),
    "try_again_later": FailureText(
        _("The payment could not be made just now"), _("Nothing was charged. Try again later, or pay another way.")
    ),
    "method_not_supported": _CANNOT_TAKE_IT,
    "currency_not_supported": _CANNOT_TAKE_IT,
    "amount_not_supported": _CANNOT_TAKE_IT,
    "gateway_limit": _CANNOT_TAKE_IT,
    "account_misconfigured": _CANNOT_TAKE_IT,
    "gateway_unavailable": _NOT_REACHABLE,
    "processing_error": FailureText(
        _("Something went wrong while the payment was made"),
        _("Nothing was charged. Try again in a moment, or pay another way."),
    ),
    "issuer_unavailable": FailureText(
        _("Your bank does not answer right now"), _("Nothing was charged. Try again in a moment, or pay another way.")
    ),
}
"""A lost, stolen or suspected card is told nothing but "declined": whoever holds it should not learn why."""


def failure_text(code: str) -> FailureText:
    """For one of our failure codes; an unknown one is a plain decline."""
    return _TEXTS.get(code, DECLINED)


def present_failure(code: str) -> dict[str, Any] | None:
    """As the API shows it, in the caller's language; None when nothing failed."""
    if not code:
        return None
    words = failure_text(code)
    return {
        "code": code,
        "message": str(words.headline),
        "advice": str(words.advice),
        "retry": str(failure_of(code).advice),
    }
