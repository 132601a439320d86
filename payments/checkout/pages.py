"""The hosted page as values: everything its templates print, computed from a session's state. Reads nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import segno
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from paycore.money import Money
from payments.checkout.app_links import link_back
from payments.checkout.offers import Offer
from payments.checkout.presentation import MethodLook, look_of
from payments.checkout.services import SessionState, takes_codes
from payments.gateways.actions import action_for_others
from payments.orders.failure_texts import FailureText, failure_text
from payments.orders.models import Order, Payment

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_STEPS = {"choose": 1, "failed": 1, "action": 2, "waiting": 2, "paid": 3}
_ACTIVE_PHASES = ("action", "waiting")
_WATCHED_PHASES = ("choose", "failed", *_ACTIVE_PHASES)
QUICK_POLLS = 15
"""So many at the first pace; after that each waits a second longer."""


@dataclass(frozen=True, slots=True)
class Line:
    description: str
    quantity: int
    amount: str


@dataclass(frozen=True, slots=True)
class Action:
    """What the payer must do. ``url`` is empty unless it is a web address; ``qr_image`` is a ``data:`` address.
    ``widget`` names the script that goes on with ``parameters``: ``stripe``, ``wechat`` or none. ``transfer`` is what
    a bank transfer needs, as (name, words)."""

    kind: str
    url: str = ""
    host: str = ""
    qr_image: str = ""
    expires_at: datetime | None = None
    widget: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    transfer: tuple[tuple["StrOrPromise", str], ...] = ()


@dataclass(frozen=True, slots=True)
class PayPage:
    """``phase``: choose, failed, action, review, waiting, paid, expired, canceled. ``state`` changes when the page
    must. ``takes_codes``: there is a field for a promotion code, or a way to take off the one that is there."""

    session_id: str
    merchant: str
    support_email: str
    amount: str
    amount_minor: int
    description: str
    lines: list[Line]
    discount: str
    promotion_codes: str
    takes_codes: bool
    order_number: str
    expires_at: datetime
    minutes_left: int
    phase: str
    offers: list[Offer]
    chosen: str
    is_payer_known: bool
    payment_id: str
    paid_at: datetime | None
    paid_by: MethodLook | None
    is_held: bool
    is_refunded: bool
    failure: FailureText | None
    action: Action | None
    success_url: str
    cancel_url: str
    app_url: str

    @property
    def state(self) -> str:
        kind = self.action.kind if self.action else ""
        return f"{self.phase}:{self.payment_id}:{kind}:{self.amount_minor}"

    def has_other_total(self, state: str) -> bool:
        """Than the page that had ``state``, of which the total is not the part that is renewed."""
        return state.rpartition(":")[2] != str(self.amount_minor)

    @property
    def step(self) -> int:
        """1 choose, 2 confirm, 3 done; 0 when the order ended unpaid."""
        return _STEPS.get(self.phase, 0)

    @property
    def is_watched(self) -> bool:
        """Whether the page asks by itself for what is new."""
        return self.phase in _WATCHED_PHASES

    @property
    def needs_reload(self) -> bool:
        """Whether a browser without scripts should reload by itself."""
        return self.phase in _ACTIVE_PHASES


def build_page(state: SessionState, *, offers: list[Offer], payer_id: str, now: datetime, locale: str) -> PayPage:
    """``offers`` as :func:`offers_of` found them for ``payer_id`` (empty: nobody known); ``now`` is aware UTC,
    ``locale`` a Django language code."""
    session, order, payment = state.session, state.session.order, state.payment
    phase = _phase(state, now=now)
    is_paid = phase == "paid"
    return PayPage(
        session_id=session.id,
        merchant=order.merchant.name,
        support_email=order.merchant.support_email,
        amount=order.amount.format(locale),
        amount_minor=order.amount_minor,
        description=order.description,
        lines=[_line(line, currency=order.currency, locale=locale) for line in order.lines],
        discount=(-Money(order.discount_minor, order.currency)).format(locale) if order.discount_minor else "",
        promotion_codes=order.promotion_codes,
        takes_codes=takes_codes(session) and payment is None and phase == "choose",
        order_number=order.merchant_order_number,
        expires_at=order.expires_at,
        minutes_left=max(1, round((order.expires_at - now).total_seconds() / 60)),
        phase=phase,
        offers=offers,
        chosen=_chosen(payment, offers),
        is_payer_known=bool(payer_id),
        payment_id=payment.id if payment else "",
        paid_at=order.paid_at if is_paid else None,
        paid_by=look_of(payment.method) if is_paid and payment else None,
        is_held=is_paid and payment is not None and payment.status == Payment.Status.AUTHORIZED,
        is_refunded=order.status == Order.Status.CLOSED,
        failure=failure_text(payment.failure_code) if phase == "failed" and payment else None,
        action=_action(payment, is_payer_known=bool(payer_id)) if phase == "action" and payment else None,
        success_url=web_address(session.success_url),
        cancel_url=web_address(session.cancel_url),
        app_url=link_back(session.app_return_url, session_id=session.id, status=phase),
    )


def poll_delay_seconds(phase: str, *, polls: int) -> int:
    """How long until the page asks again, after ``polls`` answers without news."""
    first, slowest = (2, 10) if phase in _ACTIVE_PHASES else (10, 30)
    return min(slowest, first + max(0, polls - QUICK_POLLS))


def web_address(text: str) -> str:
    """``text`` if it is an http(s) address, else empty: no other scheme becomes a link."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def _phase(state: SessionState, *, now: datetime) -> str:
    """The order's end is written a moment after its time is over; the page says so at once."""
    is_over = state.phase in ("choose", "failed") and state.session.order.expires_at <= now
    return "expired" if is_over else state.phase


def _chosen(payment: Payment | None, offers: list[Offer]) -> str:
    """What was tried last, so that a decline can be mended; else what is offered first."""
    codes = [offer.code for offer in offers]
    tried = [payment.payment_method_id or "", payment.method] if payment else []
    return next((code for code in tried if code in codes), codes[0] if codes else "")


def _line(line: Mapping[str, Any], *, currency: str, locale: str) -> Line:
    return Line(
        description=str(line.get("description", "")),
        quantity=int(line.get("quantity", 1)),
        amount=Money(int(line.get("amount_minor", 0)), currency).format(locale),
    )


_TRANSFER = (
    ("holder", _("Account holder")),
    ("iban", _("IBAN")),
    ("bic", _("BIC")),
    ("bank_name", _("Bank")),
    ("reference", _("Reference")),
)


def _action(payment: Payment, *, is_payer_known: bool) -> Action | None:
    row = payment.action if is_payer_known else action_for_others(payment.action)
    if not row:
        return None
    kind, text, address = (str(row.get(name) or "") for name in ("kind", "qr_text", "url"))
    parameters = {str(name): str(value) for name, value in (row.get("app_parameters") or {}).items()}
    expires_at = parse_datetime(str(row.get("expires_at") or ""))
    url = web_address(text if kind == "qr_code" else address)
    return Action(
        kind=kind,
        url=url,
        host=urlsplit(url).netloc,
        qr_image=_qr_image(text) if text else "",
        expires_at=expires_at,
        widget=_widget(payment.method, parameters) if kind == "app" else "",
        parameters=parameters if kind == "app" else {},
        transfer=_transfer(parameters) if kind == "bank_transfer" else (),
    )


def _widget(method: str, parameters: Mapping[str, str]) -> str:
    """Which script of this page can go on by itself; none for what only an app can."""
    if method == "wechat_jsapi" and "paySign" in parameters:
        return "wechat"
    return "stripe" if parameters.get("client_secret") and parameters.get("publishable_key") else ""


def _transfer(parameters: Mapping[str, str]) -> tuple[tuple["StrOrPromise", str], ...]:
    return tuple((name, parameters[key]) for key, name in _TRANSFER if parameters.get(key))


def _qr_image(text: str) -> str:
    return segno.make(text, micro=False).svg_data_uri(scale=8, border=2, dark="#000", light="#fff")
