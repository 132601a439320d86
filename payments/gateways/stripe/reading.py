"""Stripe's objects in our words. Raises NotUnderstood for what is not as documented."""

from payments.gateways.contract import (
    ActionKind,
    DisputeNotice,
    DisputeStatus,
    NextAction,
    Outcome,
    PaymentResult,
    RefundResult,
    SavedMethod,
    SaveResult,
)
from payments.gateways.stripe import words
from payments.gateways.stripe.amounts import fee_from_stripe, from_stripe
from payments.gateways.stripe.json_words import (
    NotUnderstood,
    Words,
    entries,
    identifier,
    inner,
    moment,
    number,
    text,
    whole,
)

REFERENCE = "reference"
"""Under this name our number is in the metadata of everything that we make."""
CONFIRMED_BY = "confirmed_by"
SERVER = "server"
"""We confirm such an intent ourselves: it is one try, with one method, and ends with it. The others are confirmed in
the payer's sheet, which stays open after a declined try."""
CLOSED = "closed"
"""The intent was only made to use up a number that must never be paid."""


def reference_of(thing: Words) -> str:
    return text(inner(thing, "metadata"), REFERENCE)


def is_called(thing: Words, reference: str) -> bool:
    """Whether that is one of ours, and this one; strangers' metadata may hold anything."""
    return inner(thing, "metadata").get(REFERENCE) == reference


def is_confirmed_here(intent: Words) -> bool:
    return inner(intent, "metadata").get(CONFIRMED_BY) == SERVER


def is_declined_here(intent: Words) -> bool:
    """One try was all it had, and it failed: now it must be canceled."""
    return is_confirmed_here(intent) and intent.get("status") == "requires_payment_method"


def payment_result(intent: Words, *, publishable_key: str, error: Words | None = None) -> PaymentResult:
    """``error`` is what was just said of the failed try, when that is known."""
    expect(intent, "payment_intent")
    outcome = words.PAYMENT_OUTCOMES.get(text(intent, "status"), Outcome.PENDING)
    currency = text(intent, "currency").upper()
    received = number(intent, "amount_received")
    taken = None if received is None else from_stripe(received, currency)
    failed = error or inner(intent, "last_payment_error") or _failed_charge(intent)
    if is_declined_here(intent):
        outcome = Outcome.PENDING  # until it is canceled it could still be paid
    elif outcome is Outcome.CANCELED and taken:
        outcome = Outcome.SUCCEEDED  # parts were taken, the rest was let go
    elif outcome is Outcome.CANCELED and is_confirmed_here(intent) and failed:
        outcome = Outcome.FAILED
    is_placeholder = CLOSED in inner(intent, "metadata")
    return PaymentResult(
        reference=reference_of(intent),
        outcome=outcome,
        gateway_reference=text(intent, "id"),
        amount_minor=None if is_placeholder else from_stripe(whole(intent, "amount"), currency),
        currency=None if is_placeholder else currency,
        captured_minor=taken,
        fee_minor=_fee(intent, currency=currency),
        failure_code=_failure_code(failed) if outcome is Outcome.FAILED else "",
        failure_message=_failure_message(failed) if outcome is Outcome.FAILED else "",
        action=_payment_action(intent, publishable_key) if outcome is Outcome.REQUIRES_ACTION else None,
        occurred_at=moment(intent, "created"),
        saved=_kept_by(intent) if outcome in (Outcome.SUCCEEDED, Outcome.AUTHORIZED) else None,
    )


def expect(thing: Words, kind: str) -> None:
    if thing.get("object") != kind or not text(thing, "id"):
        raise NotUnderstood(f"no {kind}")


def refund_result(refund: Words) -> RefundResult:
    expect(refund, "refund")
    currency = text(refund, "currency").upper()
    status = text(refund, "status")
    outcome = words.REFUND_OUTCOMES.get(status, Outcome.PENDING)
    why = text(refund, "failure_reason") or ("merchant_request" if status == "canceled" else "")
    is_failed = outcome is Outcome.FAILED
    return RefundResult(
        reference=reference_of(refund),
        outcome=outcome,
        gateway_reference=text(refund, "id"),
        payment_reference=text(inner(refund, "metadata"), "payment_reference"),
        amount_minor=from_stripe(whole(refund, "amount"), currency),
        currency=currency,
        failure_code=words.REFUND_FAILURE_CODES.get(why, "declined") if is_failed else "",
        failure_message=why if is_failed else "",
        occurred_at=moment(refund, "created"),
    )


def dispute_notice(dispute: Words) -> DisputeNotice:
    expect(dispute, "dispute")
    currency = text(dispute, "currency").upper()
    due_at = moment(inner(dispute, "evidence_details"), "due_by")
    unlisted = DisputeStatus.NEEDS_RESPONSE if due_at else DisputeStatus.UNDER_REVIEW
    fees = [
        fee_from_stripe(number(moved, "fee") or 0, currency) or 0
        for moved in entries(dispute, "balance_transactions")
        if text(moved, "currency").upper() == currency
    ]
    return DisputeNotice(
        gateway_reference=text(dispute, "id"),
        payment_reference=reference_of(inner(dispute, "payment_intent")),
        status=words.DISPUTE_STATUSES.get(text(dispute, "status"), unlisted),
        amount_minor=from_stripe(whole(dispute, "amount"), currency),
        currency=currency,
        reason=words.DISPUTE_REASONS.get(text(dispute, "reason"), "other"),
        evidence_due_at=due_at,
        payment_gateway_reference=identifier(dispute, "payment_intent"),
        fee_minor=sum(fees),
        occurred_at=moment(dispute, "created"),
    )


def early_warning(warning: Words) -> DisputeNotice:
    """A bank's word before any dispute. It names no amount, for the whole charge is meant: that is said when the
    charge was asked for as well, else 0."""
    expect(warning, "radar.early_fraud_warning")
    charge = inner(warning, "charge")
    currency = text(charge, "currency").upper()
    return DisputeNotice(
        gateway_reference=text(warning, "id"),
        payment_reference=reference_of(charge),
        status=DisputeStatus.WARNING,
        amount_minor=from_stripe(number(charge, "amount_captured") or 0, currency),
        currency=currency,
        reason="fraudulent",
        payment_gateway_reference=identifier(warning, "payment_intent") or identifier(charge, "payment_intent"),
        occurred_at=moment(warning, "created"),
    )


def save_result(intent: Words, *, publishable_key: str, error: Words | None = None) -> SaveResult:
    expect(intent, "setup_intent")
    outcome = words.SETUP_OUTCOMES.get(text(intent, "status"), Outcome.PENDING)
    failed = error or inner(intent, "last_setup_error")
    if is_declined_here(intent):
        outcome = Outcome.PENDING
    elif outcome is Outcome.CANCELED and is_confirmed_here(intent) and failed:
        outcome = Outcome.FAILED
    is_done = outcome is Outcome.SUCCEEDED
    return SaveResult(
        reference=reference_of(intent),
        outcome=outcome,
        gateway_reference=text(intent, "id"),
        saved=saved_method(intent, details=inner(inner(intent, "payment_method"), "card")) if is_done else None,
        action=_setup_action(intent, publishable_key) if outcome is Outcome.REQUIRES_ACTION else None,
        failure_code=_failure_code(failed) if outcome is Outcome.FAILED else "",
        failure_message=_failure_message(failed) if outcome is Outcome.FAILED else "",
        occurred_at=moment(intent, "created"),
    )


def saved_method(intent: Words, *, details: Words) -> SavedMethod:
    return SavedMethod(
        token=identifier(intent, "payment_method"),
        customer_reference=identifier(intent, "customer"),
        brand=text(details, "brand"),
        last4=text(details, "last4"),
        expiry_month=number(details, "exp_month"),
        expiry_year=number(details, "exp_year"),
        fingerprint=text(details, "fingerprint"),
        country=text(details, "country"),
    )


def _kept_by(intent: Words) -> SavedMethod | None:
    if not intent.get("setup_future_usage") or not intent.get("payment_method"):
        return None
    details = inner(inner(inner(intent, "latest_charge"), "payment_method_details"), "card")
    return saved_method(intent, details=details)


def _fee(intent: Words, *, currency: str) -> int | None:
    """Only what is said of exactly the money that was taken, in its own currency."""
    moved = inner(inner(intent, "latest_charge"), "balance_transaction")
    if text(moved, "currency").upper() != currency or number(moved, "amount") != number(intent, "amount_received"):
        return None
    return fee_from_stripe(whole(moved, "fee"), currency)


def _failed_charge(intent: Words) -> Words | None:
    charge = inner(intent, "latest_charge")
    code = text(charge, "failure_code")
    if not code:
        return None
    outcome = inner(charge, "outcome")
    return {"code": code, "decline_code": outcome.get("reason"), "message": text(charge, "failure_message")}


def _failure_code(failed: Words | None) -> str:
    failed = failed or {}
    return words.failure_code(code=text(failed, "code"), decline_code=text(failed, "decline_code"))


def _failure_message(failed: Words | None) -> str:
    failed = failed or {}
    what = text(failed, "decline_code") or text(failed, "code")
    return f"{what}: {text(failed, 'message')}"[:300]


def _payment_action(intent: Words, publishable_key: str) -> NextAction:
    return _action(intent, publishable_key, name="payment_intent")


def _setup_action(intent: Words, publishable_key: str) -> NextAction:
    return _action(intent, publishable_key, name="setup_intent")


def _action(intent: Words, publishable_key: str, *, name: str) -> NextAction:
    url = text(inner(inner(intent, "next_action"), "redirect_to_url"), "url")
    if is_confirmed_here(intent) and url:
        return NextAction(kind=ActionKind.REDIRECT, url=url)
    parameters = {
        "client_secret": text(intent, "client_secret"),
        "publishable_key": publishable_key,
        name: text(intent, "id"),
    }
    customer = identifier(intent, "customer")
    return NextAction(kind=ActionKind.APP, app_parameters=parameters | ({"customer": customer} if customer else {}))
