"""The payer's way to pay: a session, what it offers, and the start of a payment."""

from dataclasses import dataclass, replace

from django.conf import settings

from paycore.errors import NotFound
from paycore.idempotency import Key
from payments.checkout.models import CheckoutSession
from payments.checkout.payers import PARAMETER
from payments.errors import OrderNotOpen
from payments.orders.charging import Render, pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.discounts import Customer, add_code, remove_code
from payments.orders.models import Order, Payment
from payments.orders.queries import latest_payment
from payments.promotions.errors import PromotionCodesNotAllowed
from payments.promotions.persons import as_rows, from_rows


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """``app_return_url`` is a link that an app opens; ``country`` the payer's (ISO 3166); ``wechat_openid`` who the
    payer is in WeChat, for paying inside it. ``allows_codes``: the page takes a promotion code, where the order does;
    ``customer`` is who the merchant says uses it."""

    success_url: str = ""
    cancel_url: str = ""
    created_by: str = ""
    app_return_url: str = ""
    country: str = ""
    wechat_openid: str = ""
    allows_codes: bool = False
    customer: Customer | None = None


def create_session(order: Order, draft: SessionDraft) -> CheckoutSession:
    """A link for an open order; OrderNotOpen otherwise."""
    if order.status != Order.Status.OPEN:
        raise OrderNotOpen(status=order.status)
    customer = draft.customer or Customer()
    return CheckoutSession.objects.create(
        order=order,
        success_url=draft.success_url,
        cancel_url=draft.cancel_url,
        created_by=draft.created_by,
        app_return_url=draft.app_return_url,
        country=draft.country,
        wechat_openid=draft.wechat_openid,
        allows_codes=draft.allows_codes,
        customer_keys=as_rows(customer.known_as(order.merchant_id)),
        is_first_purchase=customer.is_first_purchase,
    )


def session_url(session: CheckoutSession, *, payer_token: str = "") -> str:
    """With a fresh ``payer_token`` the page knows, once, that the order's user opened it."""
    query = f"?{PARAMETER}={payer_token}" if payer_token else ""
    return f"{settings.PAYCORE_BASE_URL}/pay/{session.id}{query}"


def get_session(session_id: str) -> CheckoutSession:
    session = CheckoutSession.objects.select_related("order", "order__merchant").filter(id=session_id).first()
    if session is None:
        raise NotFound
    return session


def start_payment(
    session: CheckoutSession, instruction: PayInstruction, *, key: Key | None = None, render: Render | None = None
) -> Payment:
    """Pay the session's order. The payer comes back to the hosted page. Refusals as :func:`pay_order`."""
    if session.order.status != Order.Status.OPEN:
        raise OrderNotOpen(status=session.order.status)
    back = replace(instruction, return_url=f"{session_url(session)}?returned=1", country=session.country)
    return pay_order(session.order, back, key=key, render=render)


def takes_codes(session: CheckoutSession) -> bool:
    """Whether its page has a field for a code: the merchant wants it, and the order's total may change."""
    return session.allows_codes and session.order.takes_codes


def add_code_to_session(session: CheckoutSession, typed: str) -> None:
    """Lower the session's order by a code that the payer typed. PromotionCodesNotAllowed where the page has no field,
    and the refusals of :func:`add_code`."""
    if not takes_codes(session):
        raise PromotionCodesNotAllowed
    known = Customer(is_first_purchase=session.is_first_purchase, keys=from_rows(session.customer_keys))
    add_code(session.order_id, typed, customer=known)


def remove_code_from_session(session: CheckoutSession) -> None:
    """Refusals as :func:`add_code_to_session`."""
    if not takes_codes(session):
        raise PromotionCodesNotAllowed
    remove_code(session.order_id)


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the page shows. ``phase``: choose, action, review, waiting, paid, failed, canceled, expired."""

    session: CheckoutSession
    payment: Payment | None
    phase: str


def session_state(session: CheckoutSession) -> SessionState:
    order, payment = session.order, latest_payment(session.order)
    return SessionState(session=session, payment=payment, phase=_phase(order, payment))


def _phase(order: Order, payment: Payment | None) -> str:
    if order.status in (Order.Status.PAID, Order.Status.CLOSED):
        return "paid"
    if order.status in (Order.Status.CANCELED, Order.Status.EXPIRED):
        return order.status
    if payment is None or payment.status in ("canceled", "expired"):
        return "choose"
    if payment.hold == Payment.Hold.REVIEW:
        return "review"
    phases = {"failed": "failed", "requires_action": "action", "authorized": "paid", "succeeded": "waiting"}
    return phases.get(payment.status, "waiting")
