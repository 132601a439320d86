"""Risk control's word before an attempt to pay: go, prove who you are first, wait, or no.

A challenge is the gateway's (3-D Secure) where some account can make one for the method; otherwise the payer's own
recent sign-in counts; and where nobody is signed in here, a person looks at it first.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.stepup import ReauthenticationRequired
from merchants.queries import may_sell
from payments.errors import MerchantTakesNoPayments
from payments.gateways.registry import GATEWAYS
from payments.methods.models import PaymentMethod
from payments.orders.models import Order, Payment
from payments.routing.services import Route, without
from riskcontrol.decisions import Attempt, Decision, assess, record
from riskcontrol.models import Outcome
from riskcontrol.outcomes import record_outcome


@dataclass(frozen=True, slots=True)
class Payer:
    """What is known of who pays, for risk control. ``has_proved`` tells, when asked, whether a signed-in payer proved
    it a moment ago; None when nobody is signed in here (merchants' servers, the hosted page)."""

    ip: str = ""
    device_id: str = ""
    has_proved: Callable[[], bool] | None = None


@dataclass(frozen=True)
class PayInstruction:
    """How to pay. ``options`` go to the adapter as they are (tokens, scripts of the sandbox; never card numbers).

    ``saved`` is charged instead of asking for a method, which is then its own; ``is_off_session`` says that nobody is
    there to confirm, and takes a mandate. ``saves_method`` keeps what was paid with, under the ``consent`` that the
    payer gave (a mandate's terms), if any. ``country`` is the payer's (ISO 3166, empty: not known).
    """

    method: str
    return_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    payer: Payer = Payer()
    saved: PaymentMethod | None = None
    is_off_session: bool = False
    saves_method: bool = False
    consent: Mapping[str, Any] = field(default_factory=dict)
    country: str = ""


@dataclass(frozen=True, slots=True)
class Clearance:
    """``hold`` is why the payment waits before it is sent, or empty; ``hold_seconds`` how long at most. With
    ``must_prove`` the gateway is told to make the payer prove who they are."""

    decision: Decision
    route: Route
    must_prove: bool = False
    hold: str = ""
    hold_seconds: int = 0


def clear(order: Order, instruction: PayInstruction, route: Route) -> Clearance:
    """Ask risk control. Raises its refusals, and ReauthenticationRequired when the payer can and must prove it.

    MerchantTakesNoPayments when the merchant was suspended: its links to pay are still out there.
    """
    if not may_sell(order.merchant_id):
        raise MerchantTakesNoPayments
    decision = assess(
        Attempt(
            subject_id=order.id,
            merchant_id=order.merchant_id,
            amount=order.amount,
            method=instruction.method,
            user_id=order.user_id,
            ip=instruction.payer.ip,
            device_id=instruction.payer.device_id,
            payment_method_key=_method_key(instruction),
        )
    )
    match decision.action:
        case "delay":
            return Clearance(decision, route, hold=Payment.Hold.DELAY, hold_seconds=decision.delay_seconds)
        case "review":
            return _review(decision, route)
        case "challenge":
            return _challenge(decision, route, instruction)
    return Clearance(decision, route)


def give_back(payment: Payment) -> None:
    """It took no money: what its decision took of limits is free again. Twice is once."""
    if decision_id := payment.risk.get("decision", ""):
        record_outcome(decision_id=decision_id, kind=Outcome.Kind.FAILED, amount=payment.amount, occasion=payment.id)


def _review(decision: Decision, route: Route) -> Clearance:
    return Clearance(decision, route, hold=Payment.Hold.REVIEW, hold_seconds=settings.PAYCORE_RISK_REVIEW_SECONDS)


def _challenge(decision: Decision, route: Route, instruction: PayInstruction) -> Clearance:
    unable = [a for a in route.accounts if instruction.method not in GATEWAYS[a.gateway].challengeable_methods]
    if len(unable) < len(route.accounts):
        return Clearance(decision, without(route, unable, why="no_challenge") if unable else route, must_prove=True)
    if instruction.payer.has_proved is None:
        return _review(decision, route)
    if not instruction.payer.has_proved():
        record(decision)
        raise ReauthenticationRequired
    return Clearance(decision, route)


def _method_key(instruction: PayInstruction) -> str:
    """The same saved method or token, the same key; never the token itself."""
    token = instruction.saved.id if instruction.saved else instruction.options.get("token")
    return hashlib.sha256(f"{instruction.method}:{token}".encode()).hexdigest()[:32] if token else ""
