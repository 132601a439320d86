"""A user's wallet from top-up to withdrawal, told through the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from accounts.personal_data.sections import refuse_while_in_use, sections
from merchants.models import Merchant
from paycore.models import Notification
from paycore.money import Money
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.ledger.queries import balance_of
from payments.ledger.services import Entry, Leg, post
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Order, Payment
from payments.orders.refunds import approve_refund
from payments.orders.services import OrderDraft, create_order
from payments.personal_data import WalletNotEmpty
from payments.routing.models import GatewayAccount
from payments.wallet import books
from payments.wallet.errors import SecondPersonNeeded, WithdrawalIsYourOwn
from payments.wallet.freezing import freeze, freeze_for_dispute, unfreeze
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp, WalletWithdrawal
from payments.wallet.queries import balance, may_pay, withdrawals_to_pay
from payments.wallet.services import (
    approve_withdrawal,
    credit_top_up,
    reject_withdrawal,
    withdrawal_failed,
    withdrawal_paid,
    withdrawal_sent,
)
from riskcontrol.models import Case
from tests.actors import AppUser, assert_books_are_whole, run_background, sync
from tests.merchants.factories import make_user
from tests.payments.wallets import fill, wallet_account

pytestmark = pytest.mark.django_db

IBAN = "DE89 3704 0044 0532 0130 00"


@pytest.fixture
def wallets(db: None) -> GatewayAccount:
    return wallet_account()


@pytest.fixture
def ada(app_user: AppUser) -> AppUser:
    User.objects.filter(pk=app_user.user.pk).update(kyc_level=1)
    return app_user


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def has(user: AppUser, currency: str = "EUR") -> int:
    return balance(user.user.pk, currency).minor


def pay(user: AppUser, order: str, method: str, **more: Any) -> Any:
    return user.post("/payments", {"order": order, "method": method, **more})


def order_of(user: AppUser, merchant: Merchant, minor: int, *, capture: str = "automatic") -> Order:
    return create_order(
        OrderDraft(
            merchant_id=merchant.id,
            amount=eur(minor),
            description="A thing",
            user_id=user.user.pk,
            capture_method=capture,
        )
    )


def withdraw(user: AppUser, minor: int, **changes: Any) -> Any:
    body = {"amount_minor": minor, "currency": "EUR", "iban": IBAN, "holder": "Ada Lovelace", **changes}
    return user.post("/wallet/withdrawals", body)


# --- topping up ----------------------------------------------------------------------------------------------------


def topped_up(user: AppUser, minor: int = 5_000) -> dict[str, Any]:
    top_up = user.post("/wallet/top-ups", {"amount_minor": minor, "currency": "EUR"})
    assert top_up.status_code == 201, top_up.content
    answer: dict[str, Any] = top_up.json()
    assert pay(user, answer["order"], "card").json()["status"] == "succeeded"
    run_background()
    return answer


def test_a_top_up_becomes_balance_in_full_whatever_the_platform_charges(
    ada: AppUser, platform: Merchant, account: GatewayAccount
) -> None:
    Merchant.objects.filter(pk=platform.pk).update(fee_basis_points=290)
    top_up = topped_up(ada, 5_000)

    assert has(ada) == 5_000
    shown = ada.get(f"/wallet/top-ups/{top_up['id']}").json()
    assert (shown["status"], shown["amount_minor"]) == ("credited", 5_000)
    assert balance_of(f"merchant:{platform.id}:pending", currency="EUR").minor == 0
    assert balance_of("revenue:fees", currency="EUR").minor == 0
    [operation] = ada.get("/wallet/operations").json()["data"]
    assert (operation["kind"], operation["change_minor"], operation["balance_after_minor"]) == ("top_up", 5_000, 5_000)
    assert Notification.objects.filter(template="wallet_topped_up").count() == 1
    assert_books_are_whole()


def test_a_top_up_is_credited_once_however_often_it_is_told(
    ada: AppUser, platform: Merchant, account: GatewayAccount
) -> None:
    order_id = topped_up(ada)["order"]
    payment = Payment.objects.get(order_id=order_id)
    for _again in range(3):
        credit_top_up(order_id, payment_id=payment.id, merchant_id=platform.id)
    assert has(ada) == 5_000
    assert_books_are_whole()


def test_a_top_up_that_is_not_paid_changes_nothing(ada: AppUser, platform: Merchant, account: GatewayAccount) -> None:
    top_up = ada.post("/wallet/top-ups", {"amount_minor": 5_000, "currency": "EUR"}).json()
    answer = pay(ada, top_up["order"], "card", options={"sandbox": {"scenario": "decline(insufficient_funds)"}})
    assert answer.json()["status"] == "failed"
    assert ada.post(f"/orders/{top_up['order']}/cancel").status_code == 200
    run_background()
    assert has(ada) == 0
    assert not WalletOperation.objects.exists()
    assert ada.get("/wallet").json()["data"][0]["spendable_minor"] == 0


def test_a_top_up_cannot_be_paid_from_the_wallet(
    ada: AppUser, platform: Merchant, account: GatewayAccount, wallets: GatewayAccount
) -> None:
    fill(ada.user.pk, eur(10_000))
    top_up = ada.post("/wallet/top-ups", {"amount_minor": 5_000, "currency": "EUR"}).json()
    assert not may_pay(ada.user.pk, order_id=top_up["order"], amount=eur(5_000))
    payment = pay(ada, top_up["order"], "wallet").json()
    assert (payment["status"], payment["failure_code"]) == ("failed", "method_not_supported")
    assert has(ada) == 10_000
    assert pay(ada, top_up["order"], "card").json()["status"] == "succeeded"
    run_background()
    assert has(ada) == 15_000
    assert_books_are_whole()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount_minor": 499, "currency": "EUR"}, 422, "wallet_amount_outside_limits"),
        ({"amount_minor": 50_001, "currency": "EUR"}, 422, "wallet_amount_outside_limits"),
        ({"amount_minor": 5_000, "currency": "KWD"}, 422, "wallet_currency_not_offered"),
        ({"amount_minor": 5_000, "currency": "XXX"}, 422, "validation_failed"),
        ({"amount_minor": "5000", "currency": "EUR"}, 422, "validation_failed"),
        ({"amount_minor": -5, "currency": "EUR"}, 422, "validation_failed"),
        ({"amount_minor": 10**30, "currency": "EUR"}, 422, "number_out_of_range"),
        ({"currency": "EUR"}, 422, "validation_failed"),
        ({"amount_minor": 5_000, "currency": "EUR", "user": "usr_other"}, 422, "validation_failed"),
    ],
)
def test_a_top_up_outside_the_limits_or_malformed_makes_no_order(
    ada: AppUser, platform: Merchant, body: dict[str, Any], status: int, code: str
) -> None:
    answer = ada.post("/wallet/top-ups", body)
    assert answer.json()["code"] == code
    assert answer.status_code in (status, 400)
    assert not Order.objects.exists()
    assert not WalletTopUp.objects.exists()


def test_what_is_on_its_way_counts_for_the_largest_balance(ada: AppUser, platform: Merchant, settings: Any) -> None:
    settings.PAYCORE_WALLET_BALANCE_MAX = ["EUR=100"]
    fill(ada.user.pk, eur(4_000))
    assert ada.post("/wallet/top-ups", {"amount_minor": 4_000, "currency": "EUR"}).status_code == 201
    refused = ada.post("/wallet/top-ups", {"amount_minor": 2_001, "currency": "EUR"})
    assert (refused.status_code, refused.json()["code"]) == (409, "wallet_balance_limit")
    assert ada.post("/wallet/top-ups", {"amount_minor": 2_000, "currency": "EUR"}).status_code == 201


def test_the_same_key_makes_one_top_up(ada: AppUser, platform: Merchant) -> None:
    body = {"amount_minor": 5_000, "currency": "EUR"}
    first, second = (ada.post("/wallet/top-ups", body, key="same") for _ in range(2))
    assert first.content == second.content
    assert WalletTopUp.objects.count() == Order.objects.count() == 1


def test_the_money_of_a_top_up_is_not_refunded_out_of_the_wallet(
    ada: AppUser, platform: Merchant, account: GatewayAccount
) -> None:
    order_id = topped_up(ada)["order"]
    refused = ada.post("/refunds", {"payment": Payment.objects.get(order_id=order_id).id, "reason": "changed my mind"})
    assert (refused.status_code, refused.json()["code"]) == (409, "top_up_not_refundable")
    assert has(ada) == 5_000
    assert not Payment.objects.get(order_id=order_id).refund_pending_minor


# --- paying --------------------------------------------------------------------------------------------------------


def test_an_order_is_paid_from_the_wallet_and_refunded_into_it(
    ada: AppUser, merchant: Merchant, wallets: GatewayAccount
) -> None:
    fill(ada.user.pk, eur(5_000))
    order = order_of(ada, merchant, 1_999)
    payment = pay(ada, order.id, "wallet").json()
    assert payment["status"] == "succeeded", payment
    assert has(ada) == 3_001
    assert balance_of(f"gateway:{wallets.id}", currency="EUR").minor == 0
    assert balance_of(f"merchant:{merchant.id}:pending", currency="EUR").minor == 1_999 - 10

    refund = ada.post("/refunds", {"payment": payment["id"], "amount_minor": 1_000, "reason": "broken"})
    assert refund.status_code == 201
    approve_refund(refund.json()["id"], reviewed_by="usr_ops")
    run_background()
    assert has(ada) == 4_001
    assert balance_of(f"gateway:{wallets.id}", currency="EUR").minor == 0
    kinds = [row["kind"] for row in ada.get("/wallet/operations").json()["data"]]
    assert kinds == ["refund", "pay", "top_up"]
    assert_books_are_whole()


def test_too_little_money_fails_the_attempt_and_another_way_pays(
    ada: AppUser, merchant: Merchant, account: GatewayAccount, wallets: GatewayAccount
) -> None:
    fill(ada.user.pk, eur(1_998))
    order = order_of(ada, merchant, 1_999)
    assert not may_pay(ada.user.pk, order_id=order.id, amount=order.amount)
    payment = pay(ada, order.id, "wallet").json()
    assert (payment["status"], payment["failure_code"]) == ("failed", "insufficient_funds")
    assert has(ada) == 1_998
    assert pay(ada, order.id, "card").json()["status"] == "succeeded"
    assert_books_are_whole()


def test_held_money_is_taken_in_parts_and_the_rest_comes_back(
    ada: AppUser, merchant: Merchant, merchant_server: Any, wallets: GatewayAccount
) -> None:
    fill(ada.user.pk, eur(5_000))
    order = order_of(ada, merchant, 3_000, capture="manual")
    payment = pay(ada, order.id, "wallet").json()
    assert payment["status"] == "authorized"
    [shown] = ada.get("/wallet").json()["data"]
    assert (shown["spendable_minor"], shown["held_minor"]) == (2_000, 3_000)
    merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 1_000, "is_final": False})
    merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 500, "is_final": True})
    run_background()
    assert Payment.objects.get(id=payment["id"]).captured_minor == 1_500
    [shown] = ada.get("/wallet").json()["data"]
    assert (shown["spendable_minor"], shown["held_minor"]) == (3_500, 0)
    assert_books_are_whole()


def test_held_money_that_nobody_takes_comes_back_after_some_days(
    ada: AppUser, merchant: Merchant, wallets: GatewayAccount, settings: Any
) -> None:
    fill(ada.user.pk, eur(5_000))
    payment = pay(ada, order_of(ada, merchant, 3_000, capture="manual").id, "wallet").json()
    assert sync(payment["id"]) == "authorized"
    settings.PAYCORE_WALLET_HOLD_DAYS = 0
    assert sync(payment["id"]) == "canceled"
    assert has(ada) == 5_000
    assert_books_are_whole()


def test_what_was_taken_of_a_hold_stays_taken_when_it_ends(
    ada: AppUser, merchant: Merchant, merchant_server: Any, wallets: GatewayAccount, settings: Any
) -> None:
    fill(ada.user.pk, eur(5_000))
    payment = pay(ada, order_of(ada, merchant, 3_000, capture="manual").id, "wallet").json()
    merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 1_000, "is_final": False})
    run_background()
    settings.PAYCORE_WALLET_HOLD_DAYS = 0
    assert sync(payment["id"]) == "succeeded"
    assert Payment.objects.get(id=payment["id"]).captured_minor == 1_000
    assert has(ada) == 4_000
    assert_books_are_whole()


def test_an_order_of_nobody_known_is_not_paid_from_a_wallet(merchant_server: Any, wallets: GatewayAccount) -> None:
    order = merchant_server.create_order(amount_minor=1_000)
    assert merchant_server.pay(order["id"], method="wallet").status_code == 400
    assert not Payment.objects.exists()
    unguarded = pay_order(Order.objects.get(id=order["id"]), PayInstruction(method="wallet"))
    assert (unguarded.status, unguarded.failure_code) == ("failed", "method_not_supported")
    assert not WalletOperation.objects.exists()
    assert_books_are_whole()


# --- freezing ------------------------------------------------------------------------------------------------------


def test_a_frozen_wallet_lets_nothing_out_and_everything_in(
    ada: AppUser, merchant: Merchant, platform: Merchant, wallets: GatewayAccount
) -> None:
    wallet = fill(ada.user.pk, eur(5_000))
    freeze(wallet.id, reason="strange logins", by="usr_ops")
    payment = pay(ada, order_of(ada, merchant, 1_000).id, "wallet").json()
    assert (payment["status"], payment["failure_code"]) == ("failed", "account_closed")
    refusals = [withdraw(ada, 1_000), ada.post("/wallet/top-ups", {"amount_minor": 5_000, "currency": "EUR"})]
    assert [answer.json()["code"] for answer in refusals] == ["wallet_frozen"] * 2
    assert balance_of(books.spendable(ada.user.pk), currency="EUR").minor == 5_000
    assert has(ada) == 0, "checkout offers nothing of it"
    unfreeze(wallet.id, reason="it was her", by=make_user().pk)
    assert withdraw(ada, 1_000).status_code == 201
    assert_books_are_whole()


def test_a_disputed_top_up_freezes_the_wallet_and_asks_people(
    ada: AppUser, platform: Merchant, account: GatewayAccount
) -> None:
    order_id = topped_up(ada)["order"]
    assert freeze_for_dispute(order_id)
    assert freeze_for_dispute(order_id), "twice is once"
    wallet = Wallet.objects.get(user=ada.user)
    assert wallet.is_frozen
    assert Case.objects.get(status="open").object_id == wallet.id
    assert not freeze_for_dispute("ord_other")


@pytest.mark.parametrize("status", [DisputeStatus.WARNING, DisputeStatus.NEEDS_RESPONSE])
def test_the_first_word_of_a_dispute_stops_the_money_of_a_top_up(
    ada: AppUser, platform: Merchant, merchant: Merchant, account: GatewayAccount, wallets: GatewayAccount, status: Any
) -> None:
    """An early alert as well: until the dispute comes, it could be spent."""
    payment = Payment.objects.get(order_id=topped_up(ada)["order"])
    said = DisputeNotice("dp_1", payment.id, status, amount_minor=5_000, currency="EUR", reason="fraudulent")
    record_dispute_notice(account, said, source=Evidence.Source.WEBHOOK)
    run_background()
    assert Wallet.objects.get(user=ada.user).is_frozen
    assert Case.objects.filter(kind=Case.Kind.WALLET_DISPUTED, status="open").exists()
    assert pay(ada, order_of(ada, merchant, 1_000).id, "wallet").json()["failure_code"] == "account_closed"
    assert withdraw(ada, 2_000).json()["code"] == "wallet_frozen"
    assert balance_of(books.spendable(ada.user.pk), currency="EUR").minor == 5_000
    assert_books_are_whole()


# --- withdrawing ---------------------------------------------------------------------------------------------------


def test_a_withdrawal_is_reserved_reviewed_sent_and_paid(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    answer = withdraw(ada, 2_000)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["bank_account"]) == ("in_review", "DE89…3000")
    assert has(ada) == 3_000
    assert not withdrawals_to_pay()

    approve_withdrawal(shown["id"], by="usr_ops")
    [row] = withdrawals_to_pay()
    assert (row.iban, row.holder, row.amount) == ("DE89370400440532013000", "Ada Lovelace", eur(2_000))
    for _twice in range(2):
        withdrawal_sent(row.id, batch="batch_1")
    assert not withdrawals_to_pay()
    for _twice in range(2):
        withdrawal_paid(row.id, bank_account_code="bank:gwa_1")
    assert ada.get(f"/wallet/withdrawals/{row.id}").json()["status"] == "paid"
    assert balance_of("bank:gwa_1", currency="EUR").minor == -2_000
    assert balance_of(books.withdrawing(ada.user.pk), currency="EUR").minor == 0
    assert has(ada) == 3_000
    assert Notification.objects.filter(template="withdrawal_paid").count() == 1
    assert_books_are_whole()


def test_the_bank_may_send_it_back_before_or_after_it_was_paid(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    for is_paid_first in (False, True):
        withdrawal_id = withdraw(ada, 2_000).json()["id"]
        approve_withdrawal(withdrawal_id, by="usr_ops")
        withdrawal_sent(withdrawal_id, batch="batch_1")
        if is_paid_first:
            withdrawal_paid(withdrawal_id, bank_account_code="bank:gwa_1")
        for _twice in range(2):
            withdrawal_failed(withdrawal_id, reason="AC04 closed account")
        assert has(ada) == 5_000
        assert ada.get(f"/wallet/withdrawals/{withdrawal_id}").json()["reason"] == "AC04 closed account"
    assert balance_of("bank:gwa_1", currency="EUR").minor == 0
    assert_books_are_whole()


def test_above_the_limit_two_people_must_agree_and_nobody_to_their_own(ada: AppUser) -> None:
    fill(ada.user.pk, eur(100_000))
    withdrawal_id = withdraw(ada, 50_001).json()["id"]
    with pytest.raises(WithdrawalIsYourOwn):
        approve_withdrawal(withdrawal_id, by=ada.user.pk)
    assert approve_withdrawal(withdrawal_id, by="usr_one").status == "half_approved"
    assert not withdrawals_to_pay()
    with pytest.raises(SecondPersonNeeded):
        approve_withdrawal(withdrawal_id, by="usr_one")
    assert approve_withdrawal(withdrawal_id, by="usr_two").status == "approved"
    assert [row.id for row in withdrawals_to_pay()] == [withdrawal_id]


def test_a_rejected_withdrawal_gives_the_money_back_and_says_why(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    withdrawal_id = withdraw(ada, 2_000).json()["id"]
    reject_withdrawal(withdrawal_id, by="usr_ops", note="The account is not yours.")
    assert has(ada) == 5_000
    shown = ada.get(f"/wallet/withdrawals/{withdrawal_id}").json()
    assert (shown["status"], shown["reason"]) == ("rejected", "The account is not yours.")
    assert Notification.objects.get(template="withdrawal_rejected").context["reason"] == "The account is not yours."
    assert_books_are_whole()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_minor": 5_001}, "balance_too_low"),
        ({"amount_minor": 499}, "wallet_amount_outside_limits"),
        ({"amount_minor": 200_001}, "wallet_amount_outside_limits"),
        ({"currency": "USD"}, "wallet_currency_not_offered"),
        ({"iban": "DE89 3704 0044 0532 0130 01"}, "iban_invalid"),
        ({"iban": "not an iban"}, "iban_invalid"),
        ({"iban": "4111 1111 1111 1111"}, "card_data_not_allowed"),
        ({"holder": ""}, "validation_failed"),
        ({"holder": "Ada\u202e"}, "validation_failed"),
        ({"iban": None}, "validation_failed"),
    ],
)
def test_a_withdrawal_that_cannot_be_changes_nothing(ada: AppUser, changes: dict[str, Any], code: str) -> None:
    fill(ada.user.pk, eur(5_000))
    answer = withdraw(ada, changes.pop("amount_minor", 1_000), **changes)
    assert answer.json()["code"] == code, answer.content
    assert not WalletWithdrawal.objects.exists()
    assert has(ada) == 5_000


def test_somebody_unknown_or_not_recently_proved_or_too_eager_withdraws_nothing(ada: AppUser, settings: Any) -> None:
    fill(ada.user.pk, eur(5_000))
    User.objects.filter(pk=ada.user.pk).update(kyc_level=0)
    assert withdraw(ada, 1_000).json()["code"] == "identity_required"
    User.objects.filter(pk=ada.user.pk).update(kyc_level=1)
    settings.PAYCORE_WALLET_WITHDRAWALS_A_DAY = 1
    assert withdraw(ada, 1_000).status_code == 201
    assert withdraw(ada, 1_000).json()["code"] == "too_many_withdrawals"
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert withdraw(ada, 1_000).json()["code"] == "reauth_required"
    assert has(ada) == 4_000


def test_where_a_withdrawal_goes_can_be_forgotten_but_never_replaced(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    row = WalletWithdrawal.objects.get(id=withdraw(ada, 2_000).json()["id"])
    for change in (
        "iban = 'x'",
        "holder = 'x'",
        "amount_minor = 1",
        "currency = 'USD'",
        "status = 'paid'",
        "iban = NULL",
        "first_approved_by = 'usr_one', reviewed_by = 'usr_one'",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE payments_walletwithdrawal SET {change} WHERE id = %s", [row.id])
    reject_withdrawal(row.id, by="usr_ops", note="no")
    assert WalletWithdrawal.objects.filter(id=row.id).update(iban=None, holder=None) == 1


# --- whose it is ---------------------------------------------------------------------------------------------------


def test_nobody_sees_anothers_wallet(ada: AppUser, platform: Merchant, merchant_server: Any) -> None:
    fill(ada.user.pk, eur(5_000))
    withdrawal_id = withdraw(ada, 2_000).json()["id"]
    top_up = ada.post("/wallet/top-ups", {"amount_minor": 5_000, "currency": "EUR"}).json()
    eve = AppUser.signed_in("eve@example.com")
    assert eve.get("/wallet").json()["data"] == []
    for path in ("/wallet/operations", "/wallet/withdrawals", "/wallet/top-ups"):
        assert eve.get(path).json()["data"] == []
    assert eve.get(f"/wallet/withdrawals/{withdrawal_id}").status_code == 404
    assert eve.get(f"/wallet/top-ups/{top_up['id']}").status_code == 404
    assert merchant_server.get("/wallet").status_code == 401


def test_operations_are_listed_by_page_and_filtered(ada: AppUser, merchant: Merchant, wallets: GatewayAccount) -> None:
    fill(ada.user.pk, eur(5_000))
    fill(ada.user.pk, Money(700, "USD"))
    for _ in range(3):
        pay(ada, order_of(ada, merchant, 100).id, "wallet")
    first = ada.get("/wallet/operations", limit=2).json()
    second = ada.get("/wallet/operations", limit=2, cursor=first["next_cursor"]).json()
    assert [row["balance_after_minor"] for row in (*first["data"], *second["data"])][:3] == [4_700, 4_800, 4_900]
    assert [row["kind"] for row in ada.get("/wallet/operations", currency="USD").json()["data"]] == ["top_up"]
    assert len(ada.get("/wallet/operations", kind="pay").json()["data"]) == 3


def test_what_happened_to_a_wallet_is_never_changed(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    for statement in ("UPDATE payments_walletoperation SET change_minor = 1", "DELETE FROM payments_walletoperation"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_check_finds_money_that_no_operation_explains(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    with transaction.atomic():
        post(Entry("test", "1", "x", [Leg("bank:tests", books.spendable(ada.user.pk), eur(1))]))
    with pytest.raises(AssertionError, match="J4"):
        assert_books_are_whole()


def test_who_has_money_here_is_not_erased_and_takes_all_of_it_along_in_the_export(ada: AppUser) -> None:
    fill(ada.user.pk, eur(5_000))
    withdrawal_id = withdraw(ada, 5_000).json()["id"]
    section = next(section for section in sections() if section.name == "wallet")
    with pytest.raises(WalletNotEmpty):
        refuse_while_in_use(ada.user.pk)
    shown = section.collect(ada.user.pk).document
    assert shown["withdrawals"][0]["iban"] == "DE89370400440532013000"
    assert [row["kind"] for row in shown["operations"]] == ["top_up", "withdraw"]

    approve_withdrawal(withdrawal_id, by="usr_ops")
    withdrawal_sent(withdrawal_id, batch="batch_1")
    with pytest.raises(WalletNotEmpty):
        refuse_while_in_use(ada.user.pk)
    withdrawal_paid(withdrawal_id, bank_account_code="bank:gwa_1")
    refuse_while_in_use(ada.user.pk)
    section.erase(ada.user.pk)
    row = WalletWithdrawal.objects.get(id=withdrawal_id)
    assert (row.iban, row.holder, row.iban_masked) == (None, None, "DE89…3000")
    assert_books_are_whole()
