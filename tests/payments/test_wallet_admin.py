"""What staff see of wallets, and what they may do about them."""

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.money import Money
from payments.orders.services import OrderDraft, create_order
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp, WalletWithdrawal
from payments.wallet.queries import balance
from payments.wallet.services import WithdrawalDraft, admit_top_up, note_top_up, request_withdrawal
from tests.actors import assert_books_are_whole
from tests.merchants.factories import make_user
from tests.payments.test_admin import act, clerk, page, signed_in
from tests.payments.wallets import fill

pytestmark = pytest.mark.django_db
HOLDER = "Ada Lovelace"


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def wallet() -> Wallet:
    user = make_user()
    User.objects.filter(pk=user.pk).update(name="Ada", kyc_level=1)
    return fill(user.pk, Money(100_000, "EUR"))


def withdrawal_of(wallet: Wallet, *, minor: int) -> WalletWithdrawal:
    draft = WithdrawalDraft(wallet.user_id, Money(minor, "EUR"), iban="DE89370400440532013000", holder=HOLDER)
    return request_withdrawal(draft)


def test_every_list_and_page_shows_without_a_whole_iban(ops: Client, wallet: Wallet, platform: Merchant) -> None:
    withdrawal_of(wallet, minor=60_000)
    amount = Money(5_000, "EUR")
    order = create_order(OrderDraft(merchant_id=platform.id, amount=amount, description="x", user_id=wallet.user_id))
    note_top_up(admit_top_up(user_id=wallet.user_id, amount=amount), order_id=order.id, amount=amount)
    for model in (Wallet, WalletOperation, WalletTopUp, WalletWithdrawal):
        name = f"ops:payments_{model._meta.model_name}"
        row = model._default_manager.latest("pk")
        for query in ("", f"?q={row.pk}", f"?q={wallet.user_id}", "?currency=EUR", "?q=nothing"):
            listed = ops.get(reverse(f"{name}_changelist") + query)
            assert listed.status_code == 200
            assert (row.pk in listed.content.decode()) == (query != "?q=nothing"), (model, query)
        shown = ops.get(reverse(f"{name}_change", args=[quote(row.pk)]))
        assert shown.status_code == 200
        assert "DE89370400440532013000" not in shown.content.decode()
    assert HOLDER in ops.get(page(WalletWithdrawal.objects.get())).content.decode()


def test_the_list_shows_the_balance_in_one_query_for_all(ops: Client, wallet: Wallet, queries_made: list[str]) -> None:
    for _ in range(5):
        fill(make_user().pk, Money(700, "EUR"))
    queries_made.clear()
    listed = ops.get(reverse("ops:payments_wallet_changelist")).content.decode()
    assert "€1,000.00" in listed
    assert listed.count("€7.00") == 5
    assert len([sql for sql in queries_made if "ledgeraccount" in sql]) == 1


def test_staff_freeze_and_unfreeze_with_a_reason(ops: Client, boss: User, wallet: Wallet) -> None:
    act(ops, wallet, "freeze", reason="")
    wallet.refresh_from_db()
    assert not wallet.is_frozen
    act(ops, wallet, "freeze", reason="Strange logins")
    wallet.refresh_from_db()
    assert (wallet.status, wallet.frozen_reason, wallet.frozen_by) == ("frozen", "Strange logins", boss.pk)
    assert "Strange logins" in ops.get(page(wallet)).content.decode()
    act(ops, wallet, "unfreeze", reason="It was her")
    wallet.refresh_from_db()
    assert (wallet.status, wallet.frozen_at) == ("active", None)


def test_two_people_approve_a_large_withdrawal(ops: Client, wallet: Wallet) -> None:
    row = withdrawal_of(wallet, minor=60_000)
    assert "second person" in act(ops, row, "approve", note="looks right").content.decode()
    assert "You agreed already" in act(ops, row, "approve", note="again").content.decode()
    row.refresh_from_db()
    assert row.status == "half_approved"
    act(signed_in(make_user(is_staff=True, is_superuser=True)), row, "approve")
    row.refresh_from_db()
    assert row.status == "approved"
    assert balance(wallet.user_id, "EUR").minor == 40_000


def test_a_rejection_needs_a_reason_and_gives_back(ops: Client, wallet: Wallet) -> None:
    row = withdrawal_of(wallet, minor=10_000)
    act(ops, row, "reject", note="")
    row.refresh_from_db()
    assert row.status == "requested"
    act(ops, row, "reject", note="Not your account")
    row.refresh_from_db()
    assert (row.status, row.review_note) == ("rejected", "Not your account")
    assert balance(wallet.user_id, "EUR").minor == 100_000
    assert_books_are_whole()


def test_the_first_page_says_how_many_withdrawals_wait(ops: Client, wallet: Wallet) -> None:
    assert "Withdrawals to review" not in ops.get("/ops/").content.decode()
    withdrawal_of(wallet, minor=10_000)
    assert "Withdrawals to review" in ops.get("/ops/").content.decode()


def test_who_may_only_look_can_do_nothing(wallet: Wallet) -> None:
    row = withdrawal_of(wallet, minor=10_000)
    looker = clerk("view_wallet", "view_walletwithdrawal")
    assert looker.get(page(row)).status_code == 200
    for target, action in ((wallet, "freeze"), (row, "approve"), (row, "reject")):
        assert act(looker, target, action, reason="x", note="x").status_code == 403
    wallet.refresh_from_db()
    row.refresh_from_db()
    assert (wallet.status, row.status) == ("active", "requested")
