"""In what words and pictures the hosted page shows methods, declines and test cards."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError
from payments.methods.models import PaymentMethod
from payments.orders.failure_texts import DECLINED, FailureText

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
class TestCard:
    """A token of the sandbox provider; there is no card number behind it."""

    token: str
    name: "StrOrPromise"


METHODS = {
    look.code: look
    for look in (
        MethodLook("card", _("Card"), _("Debit or credit card"), f"{_ICONS}/card.svg"),
        MethodLook("apple_pay", _("Apple Pay"), _("With this device"), f"{_ICONS}/apple_pay.svg"),
        MethodLook("google_pay", _("Google Pay"), _("With this device"), f"{_ICONS}/google_pay.svg"),
        MethodLook("paypal", _("PayPal"), _("You confirm at PayPal"), f"{_ICONS}/paypal.svg"),
        MethodLook("wechat_app", _("WeChat Pay"), _("In the WeChat app"), f"{_ICONS}/wechat.svg"),
        MethodLook("wechat_jsapi", _("WeChat Pay"), _("Here in WeChat"), f"{_ICONS}/wechat.svg"),
        MethodLook("wechat_native", _("WeChat Pay"), _("Scan with WeChat"), f"{_ICONS}/wechat.svg"),
        MethodLook("wechat_h5", _("WeChat Pay"), _("Opens the WeChat app"), f"{_ICONS}/wechat.svg"),
        MethodLook("wechat_mandate", _("WeChat Pay, regularly"), _("By your agreement"), f"{_ICONS}/wechat.svg"),
        MethodLook("alipay_app", _("Alipay"), _("In the Alipay app"), f"{_ICONS}/alipay.svg"),
        MethodLook("alipay_page", _("Alipay"), _("You confirm at Alipay"), f"{_ICONS}/alipay.svg"),
        MethodLook("alipay_qr", _("Alipay"), _("Scan with Alipay"), f"{_ICONS}/alipay.svg"),
        MethodLook("alipay_mandate", _("Alipay, regularly"), _("By your agreement"), f"{_ICONS}/alipay.svg"),
        MethodLook(
            "bank_transfer", _("Bank transfer"), _("You transfer the amount from your bank"), f"{_ICONS}/bank.svg"
        ),
        MethodLook("wallet", _("Wallet"), _("From your balance, at once"), f"{_ICONS}/wallet.svg"),
        MethodLook(
            "sandbox_redirect", _("Online banking"), _("You confirm on the provider's page"), f"{_ICONS}/bank.svg"
        ),
        MethodLook("sandbox_qr", _("QR code"), _("Scan with your phone"), f"{_ICONS}/qr.svg"),
    )
}

_BRANDS = {"amex": "American Express", "jcb": "JCB", "unionpay": "UnionPay", "mastercard": "Mastercard"}
_REFUSALS = {
    "method_not_available": FailureText(
        _("This way to pay cannot take this payment"), _("Nothing was charged. Choose another way to pay.")
    ),
    "order_changed": FailureText(
        _("The amount has changed"), _("Nothing was charged. Look at the new amount, then pay.")
    ),
    "promotion_code_not_valid": FailureText(
        _("This code cannot be used"), _("Look for a typing error. It may also be over, or used up.")
    ),
    "promotion_not_applicable": FailureText(
        _("This code is not for this purchase"), _("The amount stays as it is. Another code may fit.")
    ),
    "promotion_needs_customer": FailureText(
        _("This code cannot be used here"),
        _("It is limited per person, and the seller has not told us who you are. Ask the seller."),
    ),
    "promotion_not_combinable": FailureText(
        _("Only one code can be used"), _("Remove the code that is there, then add the other one.")
    ),
    "order_would_be_free": FailureText(
        _("This code cannot be used here"), _("Nothing would be left to pay. The amount stays as it is.")
    ),
    "payment_in_progress": FailureText(_("A payment is under way"), _("The amount cannot change any more.")),
    "promotion_codes_not_allowed": FailureText(
        _("No code can be added or removed here"),
        _("The amount stays as it is. It cannot change once somebody has tried to pay it."),
    ),
    "payment_refused_by_risk": DECLINED,
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


def method_name(method: str) -> str:
    """For those who keep the methods apart: ``WeChat Pay (wechat_h5)``, where payers see one name for several."""
    name = str(look_of(method).name)
    others = (str(look.name) for look in METHODS.values() if look.code != method)
    return f"{name} ({method})" if name in others else name


def look_of_saved(row: PaymentMethod) -> MethodLook:
    """A saved card by its brand and last digits, anything else by its own label."""
    kind = look_of(row.method)
    if not row.last4:
        return MethodLook(row.id, row.label or kind.name, kind.name if row.label else kind.hint, kind.icon)
    name = f"{brand_name(row.brand)} •••• {row.last4}".strip()
    hint = f"{row.expiry_month:02}/{row.expiry_year % 100:02}" if row.expiry_month and row.expiry_year else kind.name
    return MethodLook(row.id, name, hint, kind.icon)


def brand_name(brand: str) -> str:
    """As it is printed on the card: ``visa`` → ``Visa``, ``american_express`` → ``American Express``."""
    return _BRANDS.get(brand.lower(), brand.replace("_", " ").title())


def refusal_text(error: PaycoreError) -> FailureText:
    """For what was refused before any provider was asked; programs' titles only where payers have no better words."""
    return _REFUSALS.get(error.code) or FailureText(error.title, error.detail)
