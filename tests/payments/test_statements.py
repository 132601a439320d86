"""The pay path's SQL functions write what the models would: columns, defaults, versions, locks, refusals."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.models import EventRecord, OutboxMessage
from paycore.money import Money
from payments.errors import OrderHasExpired, OrderNotOpen, OrderNumberTaken, PaymentInProgress
from payments.gateways.contract import Outcome, PaymentResult
from payments.ledger.models import Posting
from payments.orders import statements
from payments.orders.charging import pay_order, record_payment_result
from payments.orders.clearance import PayInstruction
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import Change, Known
from payments.orders.services import OrderDraft, OrderLine, build_order, create_order
from payments.routing.models import GatewayAccount
from tests.api.row_counts import nothing_changes
from tests.flows.time_travel import make_time_run_out

pytestmark = pytest.mark.django_db

CHOSEN_BY_THE_DATABASE = {"id", "created_at", "updated_at", "expires_at", "next_attempt_at", "order_id"}


def draft(merchant: Merchant, **more: Any) -> OrderDraft:
    return OrderDraft(
        merchant_id=merchant.id, amount=Money(1_234, "KWD"), description="Tea 茶", merchant_order_number="N-1",
        lines=(OrderLine("Tea 茶", 1_300, quantity=2, reference="r'1"),), discount_minor=66, metadata={"a": "b\\\"c"},
        **more,
    )  # fmt: skip


def columns(row: Order | Payment) -> dict[str, Any]:
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in CHOSEN_BY_THE_DATABASE}


def payment_of(order: Order, account: GatewayAccount) -> Payment:
    return Payment(
        order=order, gateway_account=account, method="card", status="submitting", currency=order.currency,
        amount_minor=order.amount_minor, request_options={"token": "tok_'x"}, return_url="https://x.example/?a=1&b='2",
        risk={"action": "allow"}, routing={"chosen": [account.id]},
    )  # fmt: skip


def test_a_begun_order_and_payment_are_what_the_models_would_have_saved(
    merchant: Merchant, account: GatewayAccount
) -> None:
    by_sql = build_order(draft(merchant))
    begun = payment_of(by_sql, account)
    statements.begin(begun, order=by_sql, key=None, is_claimed=False)
    sql_order, sql_payment = Order.objects.get(id=by_sql.id), Payment.objects.get(id=begun.id)

    other = build_order(draft(merchant))
    other.merchant_order_number = "N-2"
    other.expires_at = other.next_attempt_at = sql_order.expires_at
    other.save(force_insert=True)
    saved = payment_of(other, account)
    saved.next_attempt_at = sql_payment.next_attempt_at
    saved.save(force_insert=True)
    model_order, model_payment = Order.objects.get(id=other.id), Payment.objects.get(id=saved.id)

    assert columns(sql_order) | {"merchant_order_number": ""} == columns(model_order) | {"merchant_order_number": ""}
    assert columns(sql_payment) == columns(model_payment)


def test_the_database_chooses_the_times(merchant: Merchant, account: GatewayAccount, settings: Any) -> None:
    settings.PAYCORE_ORDER_LIFETIME_SECONDS = 600
    before = database_now()
    order = build_order(draft(merchant))
    payment = payment_of(order, account)
    statements.begin(payment, order=order, key=None, is_claimed=False)

    made, begun = Order.objects.get(), Payment.objects.get()
    assert before <= made.created_at == begun.created_at <= database_now()
    assert (made.expires_at - made.created_at).total_seconds() == 600
    assert made.next_attempt_at == made.expires_at
    assert begun.next_attempt_at is not None
    assert 5 <= (begun.next_attempt_at - begun.created_at).total_seconds() <= 30


def test_a_service_and_the_function_create_the_same_order_and_tell_the_same(
    merchant: Merchant, account: GatewayAccount
) -> None:
    by_sql = build_order(draft(merchant))
    statements.begin(payment_of(by_sql, account), order=by_sql, key=None, is_claimed=False)
    by_service = create_order(
        OrderDraft(merchant_id=merchant.id, amount=Money(1_234, "KWD"), description="Tea", merchant_order_number="N-2")
    )
    told = {event.object_id: (event.name, event.sequence) for event in EventRecord.objects.all()}
    assert told == {by_sql.id: ("order.created", 1), by_service.id: ("order.created", 1)}


@pytest.mark.parametrize("why", ["canceled", "expired", "in_progress", "number_taken"])
def test_a_payment_that_may_not_begin_leaves_nothing(merchant: Merchant, account: GatewayAccount, why: str) -> None:
    order = create_order(draft(merchant))
    expected: type[Exception] = PaymentInProgress
    if why == "canceled":
        expected = OrderNotOpen
        Order.objects.filter(id=order.id).update(status="canceled", next_attempt_at=None)
    elif why == "expired":
        expected = OrderHasExpired
        make_time_run_out(order.id)
    elif why == "number_taken":
        expected, order = OrderNumberTaken, build_order(draft(merchant))
    else:
        statements.begin(payment_of(order, account), order=None, key=None, is_claimed=False)

    with nothing_changes(), pytest.raises(expected):
        pay_order(order, PayInstruction(method="card"))


def begun(merchant: Merchant, account: GatewayAccount) -> Payment:
    order = build_order(draft(merchant))
    payment = payment_of(order, account)
    statements.begin(payment, order=order, key=None, is_claimed=False)
    return Payment.objects.select_related("order").get(id=payment.id)


def test_a_decision_on_rows_that_moved_meanwhile_is_not_written(merchant: Merchant, account: GatewayAccount) -> None:
    begun(merchant, account)
    for moved in ("payment", "order"):
        payment = Payment.objects.select_related("order").get()
        facts = Known(order=payment.order, payment=payment, merchant=merchant, account=account)
        row = statements.change_as_row(facts, Change(payment={"status": "failed"}), None, source=Evidence.Source.QUERY)
        if moved == "payment":
            Payment.objects.filter(id=payment.id).update(poll_attempts=3)
        else:
            Order.objects.filter(id=payment.order_id).update(paid_at=database_now())
        with nothing_changes():
            assert statements.apply(row, key=None, response=None) is False


def test_the_door_writes_what_it_decided_and_counts_versions(merchant: Merchant, account: GatewayAccount) -> None:
    payment = begun(merchant, account)
    result = PaymentResult(
        payment.id, Outcome.SUCCEEDED, gateway_reference="ch_1", amount_minor=1_234, currency="KWD",
        captured_minor=1_234, fee_minor=50,
    )  # fmt: skip

    answered = record_payment_result(payment.id, result, source=Evidence.Source.WEBHOOK)

    stored = Payment.objects.select_related("order").get(id=payment.id)
    for name in ("status", "captured_minor", "authorized_minor", "fee_minor", "gateway_reference", "version",
                 "next_attempt_at", "succeeded_at"):  # fmt: skip
        assert getattr(answered, name) == getattr(stored, name), name
    assert (stored.status, stored.version, stored.order.status, stored.order.version) == ("succeeded", 2, "paid", 2)
    assert answered.order.version == 2
    assert stored.order.paid_at == stored.succeeded_at
    names = [event.name for event in EventRecord.objects.order_by("id")]
    assert names == ["order.created", "payment.succeeded", "order.paid"]
    assert not OutboxMessage.objects.exists()  # an order without a user concerns no handler
    evidence = Evidence.objects.get()
    assert (evidence.source, evidence.outcome, evidence.is_applied) == ("webhook", "succeeded", True)
    assert evidence.facts()["fee_minor"] == 50


def test_the_same_evidence_again_is_noted_and_changes_nothing_else(merchant: Merchant, account: GatewayAccount) -> None:
    payment = begun(merchant, account)
    result = PaymentResult(payment.id, Outcome.SUCCEEDED, captured_minor=1_234)
    record_payment_result(payment.id, result, source=Evidence.Source.WEBHOOK)
    before = Payment.objects.values().get()

    for source in (Evidence.Source.WEBHOOK, Evidence.Source.QUERY, Evidence.Source.RESPONSE):
        record_payment_result(payment.id, result, source=source)

    assert Payment.objects.values().get() == before
    assert Posting.objects.count() == 1
    assert list(Evidence.objects.values_list("source", "note")[1:]) == [
        ("webhook", "already_known"), ("response", "already_known"),
    ]  # fmt: skip


def test_one_gateway_reference_belongs_to_one_payment(merchant: Merchant, account: GatewayAccount) -> None:
    first = begun(merchant, account)
    record_payment_result(
        first.id, PaymentResult(first.id, Outcome.FAILED, gateway_reference="ch_1"), source=Evidence.Source.WEBHOOK
    )
    second = payment_of(first.order, account)
    statements.begin(second, order=None, key=None, is_claimed=False)
    with pytest.raises(IntegrityError, match="payment_gateway_reference_unique"), transaction.atomic():
        Payment.objects.filter(id=second.id).update(gateway_reference="ch_1")
