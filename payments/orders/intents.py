"""tx 1: the intent to pay, with the idempotency key, a new order, risk control's journal and the account's quotas."""

from datetime import datetime

from django.db import Error, IntegrityError

from paycore.idempotency import Key, KeyTaken
from paycore.identifiers import new_id
from payments.errors import MethodNotAvailable
from payments.gateways.registry import GATEWAYS
from payments.orders import statements
from payments.orders.asking import options_to_keep
from payments.orders.clearance import Clearance, PayInstruction
from payments.orders.models import Order, Payment
from payments.orders.refusals import QuotaUsedUp, refuse_by_code, refuse_collision
from payments.routing.models import GatewayAccount
from payments.routing.services import quotas_taken


def begin_anywhere(
    order: Order, instruction: PayInstruction, clearance: Clearance, *, key: Key | None
) -> tuple[Payment, datetime]:
    """At the first account that may still take so much."""
    for account in clearance.route.accounts:
        try:
            return begin_payment(order, account, instruction, clearance, key=key, failed=None)
        except QuotaUsedUp:
            continue
    raise MethodNotAvailable(method=instruction.method, currency=order.currency)


def begin_payment(
    order: Order,
    account: GatewayAccount,
    instruction: PayInstruction,
    clearance: Clearance,
    *,
    key: Key | None,
    failed: Payment | None,
    number: str = "",
) -> tuple[Payment, datetime]:
    """tx 1; ``failed`` is this request's attempt before, at an account that could not be reached; ``number`` the
    payment's id where it must be the same whenever this attempt is made."""
    payment = Payment(
        id=number or new_id("pay"),
        order=order,
        gateway_account_id=account.id,
        method=instruction.method,
        status=Payment.Status.CREATED if clearance.hold else Payment.Status.SUBMITTING,
        currency=order.currency,
        amount_minor=order.amount_minor,
        payment_method=instruction.saved,
        is_off_session=instruction.is_off_session,
        saves_method=instruction.saves_method and order.user_id is not None,
        payer_country=instruction.country,
        request_options=options_to_keep(order, account, instruction),
        return_url=instruction.return_url,
        risk=clearance.decision.as_row() | ({"must_prove": True} if clearance.must_prove else {}),
        hold=clearance.hold,
        routing=clearance.route.trace | {"account": account.id},
    )
    is_new_order = failed is None and order._state.adding
    try:
        answer = statements.begin(
            payment,
            order=order if is_new_order else None,
            key=key,
            is_claimed=failed is not None,
            # One decision covers all attempts of one request.
            journal=(clearance.decision.journal or None) if failed is None else None,
            hold_seconds=clearance.hold_seconds if clearance.hold else None,
            quotas=quotas_taken(account, order.amount),
            open_seconds=GATEWAYS[account.gateway].payer_needs_seconds or None,
        )
    except IntegrityError as error:
        refuse_collision(error)
    except Error as error:
        refuse_by_code(error)
    if "claim" in answer:
        raise KeyTaken(answer["claim"])
    now = datetime.fromisoformat(answer["now"])
    payment.created_at = now
    order.expires_at = datetime.fromisoformat(answer["expires_at"])
    order.version = answer["order_version"]
    if is_new_order:
        order._state.adding = False
        order.created_at = now
    return payment, now
