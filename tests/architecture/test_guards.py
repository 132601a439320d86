"""What the database refuses, whoever asks: states outside their table, changes of what is written for ever."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, InternalError, connection, models, transaction

from accounts.kyc.transitions import KYC_CASE_STATES
from accounts.leaving.transitions import ERASURE_STATES
from accounts.models import DataExport, Erasure, KycCase, User
from accounts.personal_data.transitions import DATA_EXPORT_STATES
from memberships import models as members
from memberships import transitions as member_transitions
from merchants.models import Merchant
from merchants.transitions import MERCHANT_STATES
from paycore.clock import database_now
from paycore.money import Money
from paycore.states import StateTable
from payments.gateways.contract import SavedMethod
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.services import remember_method
from payments.methods.transitions import MANDATE, PAYMENT_METHOD
from payments.orders import transitions
from payments.orders.disputes.models import Dispute
from payments.orders.models import Capture, Order, Payment, Refund
from payments.promotions.models import CodeBatch, Promotion, Redemption
from payments.promotions.transitions import CODE_BATCH, PROMOTION, REDEMPTION
from payments.routing.models import GatewayAccount, RoutingRuleSet, RoutingTrial
from payments.routing.transitions import RULE_SET, TRIAL
from payments.wallet import transitions as wallet_transitions
from payments.wallet.models import Wallet, WalletTopUp, WalletWithdrawal
from payments.wallet.services import WithdrawalDraft, request_withdrawal
from reconciliation.models import (
    BankDecision,
    BankEntry,
    BankStatement,
    Discrepancy,
    Payout,
    PayoutBatch,
    Proposal,
    Statement,
)
from reconciliation.transitions import (
    BANK_DECISION,
    BANK_ENTRY,
    BANK_STATEMENT,
    DISCREPANCY,
    PAYOUT,
    PAYOUT_BATCH,
    PROPOSAL,
    STATEMENT,
)
from tests.actors import MerchantServer, run_background
from tests.architecture.sources import APPS, ROOT
from tests.memberships.billing import fill_guarded_tables
from tests.memberships.joining import fill_member_tables
from tests.memberships.stores.factories import make_store_purchase
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion
from tests.payments.wallets import fill

TABLES: dict[type[models.Model], StateTable] = {
    Order: transitions.ORDER,
    Payment: transitions.PAYMENT,
    Capture: transitions.CAPTURE,
    Refund: transitions.REFUND,
    Dispute: transitions.DISPUTE,
    RoutingRuleSet: RULE_SET,
    RoutingTrial: TRIAL,
    PaymentMethod: PAYMENT_METHOD,
    Mandate: MANDATE,
    Promotion: PROMOTION,
    CodeBatch: CODE_BATCH,
    Redemption: REDEMPTION,
    Wallet: wallet_transitions.WALLET,
    WalletTopUp: wallet_transitions.TOP_UP,
    WalletWithdrawal: wallet_transitions.WITHDRAWAL,
    Statement: STATEMENT,
    Discrepancy: DISCREPANCY,
    Proposal: PROPOSAL,
    BankStatement: BANK_STATEMENT,
    BankEntry: BANK_ENTRY,
    BankDecision: BANK_DECISION,
    Payout: PAYOUT,
    PayoutBatch: PAYOUT_BATCH,
    members.Subscription: member_transitions.SUBSCRIPTION,
    members.Period: member_transitions.PERIOD,
    members.Invoice: member_transitions.INVOICE,
    members.PriceChange: member_transitions.PRICE_CHANGE,
    members.PriceMove: member_transitions.PRICE_MOVE,
    members.Seat: member_transitions.SEAT,
    members.Gift: member_transitions.GIFT,
    members.CodeBatch: member_transitions.CODE_BATCH,
    members.ClockAdvance: member_transitions.CLOCK_ADVANCE,
    members.MemberAction: member_transitions.MEMBER_ACTION,
    members.MemberActionItem: member_transitions.MEMBER_ACTION_ITEM,
    members.InvoiceVoiding: member_transitions.INVOICE_VOIDING,
    members.PromisedRefund: member_transitions.PROMISED_REFUND,
    members.Dunning: member_transitions.DUNNING,
    members.ChargeNotice: member_transitions.CHARGE_NOTICE,
    Merchant: MERCHANT_STATES,
    KycCase: KYC_CASE_STATES,
    DataExport: DATA_EXPORT_STATES,
    Erasure: ERASURE_STATES,
}
APPEND_ONLY = (
    "paycore_event",
    "payments_posting",
    "payments_transfer",
    "payments_evidence",
    "payments_ledgerseal",
    "payments_walletoperation",
    "payments_fundingentry",
    "memberships_creditnote",
    "memberships_subscriptionchange",
    "memberships_storenotice",
    "memberships_revenuerecognition",
)
NEVER_DELETED = (
    "payments_order",
    "payments_payment",
    "payments_refund",
    "payments_paymentmethod",
    "payments_mandate",
    "payments_ledgeraccount",
    "payments_wallet",
    "payments_walletwithdrawal",
    "payments_promotion",
    "payments_promotioncode",
    "payments_redemption",
    "memberships_invoice",
    "memberships_subscription",
    "memberships_period",
    "memberships_planchange",
    "memberships_pause",
    "memberships_invoicevoiding",
    "memberships_revenueschedule",
    "memberships_taxrate",
    "memberships_storeaccount",
    "memberships_storepurchase",
    "memberships_storetransaction",
    "memberships_storetoken",
    "memberships_storetransfer",
    "merchants_merchant",
)


def reachable(table: StateTable) -> set[str]:
    seen, edge = {table.initial}, [table.initial]
    while edge:
        following = set(table.transitions.get(edge.pop(), ())) - seen
        seen |= following
        edge += following
    return seen


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_state_is_in_its_table_and_can_be_reached(model: type[models.Model]) -> None:
    table = TABLES[model]
    choices = getattr(model, "Status", None)
    if choices is not None:
        assert set(choices.values) == set(table.states)
    assert reachable(table) == set(table.states)
    # A dispute begins in whatever state the provider first tells.
    assert model._meta.get_field("status").default == table.initial or model in (Merchant, Dispute)
    assert table.final < set(table.states)
    assert table.initial not in table.final or model is Order


@pytest.mark.parametrize(
    ("table", "final"),
    [
        (transitions.ORDER, {"paid", "closed", "canceled", "expired"}),
        (transitions.PAYMENT, {"succeeded", "failed", "canceled", "expired"}),
        (transitions.CAPTURE, {"succeeded", "failed"}),
        (transitions.REFUND, {"succeeded", "failed", "rejected"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_final_states_are_those_of_the_design(table: StateTable, final: set[str]) -> None:
    assert table.final == final
    assert set(transitions.LIVE_PAYMENT) == set(transitions.PAYMENT.states) - transitions.PAYMENT.final
    stuck = {state for state in table.states if state not in table.final and not table.transitions.get(state)}
    assert not stuck


def test_a_success_is_never_taken_back_and_a_late_one_always_taken() -> None:
    assert transitions.PAYMENT.transitions.get("succeeded", ()) == ()
    assert all(transitions.PAYMENT.allows(state, "succeeded") for state in ("failed", "canceled", "expired"))
    assert transitions.REFUND.transitions.get("succeeded", ()) == ()


@pytest.fixture
def rows(merchant_server: MerchantServer, account: GatewayAccount) -> dict[str, Any]:
    """One row in each of the guarded tables."""
    order = merchant_server.create_order(amount_minor=5_000, capture_method="manual")
    payment = merchant_server.pay(order["id"]).json()
    merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 1_000, "is_final": False})
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 10})
    run_background()
    remember_method(
        user_id=make_user().id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="kept"),
        merchant_id=merchant_server.merchant.id,
        consent=consent_as_row({"text_version": "1", "language": "en"}, device=Device(), now=database_now()),
    )
    make_promotion(None)  # at the platform's cost
    merchant_server.paid_order(promotion_code="WELCOME20")
    run_background()
    wallet = fill(make_user().pk, Money(5_000, "EUR"))
    User.objects.filter(pk=wallet.user_id).update(kyc_level=1)
    request_withdrawal(
        WithdrawalDraft(wallet.user_id, Money(1_000, "EUR"), iban="DE89370400440532013000", holder="Ada")
    )
    fill_guarded_tables(make_user())
    fill_member_tables(make_user())
    make_store_purchase(make_user())
    return {"order": order["id"], "payment": payment["id"]}


def execute(sql: str, parameters: list[Any] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def refusals(sql: str, parameters: list[Any] | None = None) -> str:
    """The refusal's text, empty when it was let through. Changes nothing either way."""
    try:
        with transaction.atomic():
            assert execute(sql, parameters) == 1, sql
            transaction.set_rollback(True)
    except DatabaseError as error:
        return str(error)
    return ""


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Order, Payment, Capture, Refund], ids=lambda model: model.__name__)
def test_raw_sql_cannot_make_a_transition_outside_the_table(model: type[models.Model], rows: dict[str, Any]) -> None:
    table, name = TABLES[model], model._meta.db_table
    row_id = model._default_manager.values_list("pk", flat=True)[0]
    tried = 0
    for source in table.states:
        for target in table.states:
            if source == target:
                continue
            tried += 1
            with transaction.atomic():
                # The way there is not the matter: only the step from source to target is.
                execute("SET LOCAL session_replication_role = replica")
                due = "clock_timestamp()" if source in unfinished(model) else "NULL"
                execute(f"UPDATE {name} SET status = %s, next_attempt_at = {due} WHERE id = %s", [source, row_id])
                execute("SET LOCAL session_replication_role = origin")
                due = "clock_timestamp()" if target in unfinished(model) else "NULL"
                refused = refusals(
                    f"UPDATE {name} SET status = %s, next_attempt_at = {due} WHERE id = %s", [target, row_id]
                )
                transaction.set_rollback(True)
            is_refused = "transition" in refused.lower()
            assert is_refused != table.allows(source, target), (source, target, refused)
    assert tried == len(table.states) * (len(table.states) - 1)


def unfinished(model: type[models.Model]) -> set[str]:
    return {
        Order: {"open"},
        Payment: set(transitions.LIVE_PAYMENT),
        Capture: {"submitting"},
        Refund: {"approved", "submitting"},
    }[model]


@pytest.mark.django_db
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_what_is_written_for_ever_cannot_be_changed(table: str, verb: str, rows: dict[str, Any]) -> None:
    if table == "payments_ledgerseal":
        execute(
            "INSERT INTO payments_ledgerseal"
            " (sealed_from, sealed_until, transfer_count, previous_hash, hash, created_at)"
            " VALUES (now(), now(), 0, '', '', now())"
        )
    one = f"id = (SELECT min(id) FROM {table})"
    sql = f"UPDATE {table} SET id = id WHERE {one}" if verb == "UPDATE" else f"DELETE FROM {table} WHERE {one}"
    assert "Cannot" in refusals(sql)


@pytest.mark.django_db
@pytest.mark.parametrize("table", NEVER_DELETED)
def test_what_money_hangs_on_cannot_be_deleted(table: str, rows: dict[str, Any]) -> None:
    with pytest.raises(InternalError, match="Cannot delete"), transaction.atomic():
        execute(f"DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table})")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "assignment"),
    [
        ("payments_order", "amount_minor = amount_minor + 1"),
        ("payments_order", "currency = 'EUR'"),
        ("payments_order", "merchant_order_number = 'other'"),
        ("payments_payment", "amount_minor = amount_minor + 1"),
        ("payments_payment", "currency = 'EUR'"),
        ("payments_refund", "amount_minor = amount_minor - 1"),
        ("payments_refund", "requested_by = 'somebody else'"),
        ("payments_payment", "captured_minor = amount_minor + 1"),
        ("payments_payment", "refunded_minor = 4000"),
        ("payments_payment", "refund_pending_minor = -1"),
        ("payments_order", "refunded_minor = amount_minor + 1"),
        ("payments_order", "next_attempt_at = NULL"),
        ("payments_payment", "next_attempt_at = NULL"),
    ],
)
def test_terms_and_bounds_hold_against_raw_sql(table: str, assignment: str, rows: dict[str, Any]) -> None:
    assert refusals(f"UPDATE {table} SET {assignment} WHERE id = (SELECT min(id) FROM {table})")


def sql_functions() -> Iterator[tuple[str, str, Path]]:
    """(name, body, file) of every function in the project's .sql files."""
    pattern = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(.*?AS \$\$(.*?)\$\$", re.DOTALL)
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.sql")):
            for name, body in pattern.findall(path.read_text()):
                yield name, body, path


@pytest.mark.django_db
def test_the_functions_in_the_database_are_those_in_the_files() -> None:
    in_files = {name: body for name, body, _path in sql_functions()}
    assert {"paycore_publish", "paycore_claim_key", "payments_begin", "payments_apply", "ledger_post"} <= set(in_files)
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY (%s)", [list(in_files)])
        installed = cursor.fetchall()
    assert sorted(name for name, _body in installed) == sorted(in_files), "missing, or an old signature was left behind"
    assert not [name for name, body in installed if body != in_files[name]]
