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
from payments.orders.models import Order, Payment
from payments.orders.queries import latest_payment


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """``app_return_url`` is a link that an app opens; ``country`` the payer's (ISO 3166); ``wechat_openid`` who the
    payer is in WeChat, for paying inside it."""

    success_url: str = ""
    cancel_url: str = ""
    created_by: str = ""
    app_return_url: str = ""
    country: str = ""
    wechat_openid: str = ""


def create_session(order: Order, draft: SessionDraft) -> CheckoutSession:
    """A link for an open order; OrderNotOpen otherwise."""
    if order.status != Order.Status.OPEN:
        raise OrderNotOpen(status=order.status)
    return CheckoutSession.objects.create(
        order=order,
        success_url=draft.success_url,
        cancel_url=draft.cancel_url,
        created_by=draft.created_by,
        app_return_url=draft.app_return_url,
        country=draft.country,
        wechat_openid=draft.wechat_openid,
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
