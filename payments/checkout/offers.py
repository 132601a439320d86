"""What the hosted page offers: what can take the payment, by what this browser can do and what this payer has."""

from dataclasses import dataclass

from django.conf import settings

from payments.checkout.browsers import Browser
from payments.checkout.habits import in_order_of_habit
from payments.checkout.models import CheckoutSession
from payments.checkout.presentation import MethodLook, look_of, look_of_saved
from payments.gateways.registry import GATEWAYS
from payments.methods.models import PaymentMethod
from payments.methods.queries import ready_methods
from payments.orders.models import Order
from payments.orders.saved_methods import WALLET
from payments.routing.services import RouteQuestion, available_methods, can_be_taken, likely_account
from payments.wallet.queries import may_pay

IN_APPS = frozenset({"wechat_app", "alipay_app"})
"""Called up by an app of the merchant's, which a page is not."""
IN_CARD_FORMS = frozenset({"apple_pay", "google_pay"})
"""Offered by the card form itself, where the device has them."""
MOST_SAVED = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of the page. ``code`` is what the form sends: a method, or a saved method's id."""

    code: str
    look: MethodLook
    can_be_saved: bool = False
    is_saved: bool = False
    takes_test_cards: bool = False


def offers_of(session: CheckoutSession, *, payer_id: str, browser: Browser) -> list[Offer]:
    """In the order in which they are shown: saved ones, the wallet, then by habit. ``payer_id`` empty: nobody known, so
    nothing of anybody's."""
    order = session.order
    methods = eligible_methods(order, country=session.country)
    shown = [method for method in methods if _works_here(method, methods, session=session, browser=browser)]
    ordered = in_order_of_habit(shown, country=session.country or browser.region, user_id=payer_id)
    kept = [_saved(row) for row in saved_methods_for(order, payer_id=payer_id, country=session.country)]
    wallet = [WALLET] if WALLET in methods and may_pay(payer_id or None, order_id=order.id, amount=order.amount) else []
    rest = [
        Offer(
            code,
            look_of(code),
            can_be_saved=bool(payer_id) and is_saveable(code),
            takes_test_cards=code == "card" and takes_test_cards(order, country=session.country),
        )
        for code in ordered
    ]
    return [*kept, *[Offer(code, look_of(code)) for code in wallet], *rest]


def eligible_methods(order: Order, *, country: str) -> list[str]:
    """What some gateway account can take this order by, in routing's order."""
    return available_methods(merchant_id=order.merchant_id, amount=order.amount, country=country)


def takes_test_cards(order: Order, *, country: str) -> bool:
    """Whether a card payment would go to the sandbox provider: another's trial server knows other test cards."""
    if not settings.PAYCORE_SANDBOX_MODE:
        return False
    question = RouteQuestion(order.merchant_id, order.amount, "card", country=country, subject=order.id)
    account = likely_account(question)
    return account is not None and account.gateway == "sandbox"


def is_saveable(method: str) -> bool:
    """Whether a provider could keep it; agreements want terms, which this page does not ask for."""
    return any(
        method in getattr(gateway, "saveable_methods", ()) and method not in getattr(gateway, "mandate_methods", ())
        for gateway in GATEWAYS.values()
    )


def _works_here(method: str, methods: list[str], *, session: CheckoutSession, browser: Browser) -> bool:
    if method in IN_APPS or method == WALLET or method.endswith("_mandate"):
        return False
    if method in IN_CARD_FORMS:
        return "card" not in methods
    if method == "wechat_jsapi":
        return browser.is_wechat and bool(session.wechat_openid)
    if method == "wechat_h5":
        return browser.is_phone and not browser.is_wechat
    return True


def saved_methods_for(order: Order, *, payer_id: str, country: str) -> list[PaymentMethod]:
    """The payer's own that can take this order. Routing is asked, not the gateway."""
    rows = ready_methods(payer_id)[:MOST_SAVED] if payer_id else []
    return [row for row in rows if _can_take(row, order, country=country)]


def _can_take(row: PaymentMethod, order: Order, *, country: str) -> bool:
    question = RouteQuestion(
        order.merchant_id,
        order.amount,
        row.method,
        country=country,
        only_account_id=row.gateway_account_id,
        subject=order.id,
    )
    return can_be_taken(question)


def _saved(row: PaymentMethod) -> Offer:
    return Offer(row.id, look_of_saved(row), is_saved=True)
