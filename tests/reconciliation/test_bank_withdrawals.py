"""Approved wallet withdrawals go out by payout file, and the bank's line ends them."""

from collections.abc import Callable
from datetime import date

import pytest

from paycore.money import Money
from payments.wallet import services
from payments.wallet.freezing import freeze, unfreeze
from payments.wallet.models import WalletWithdrawal
from payments.wallet.queries import balance
from payments.wallet.services import WithdrawalDraft, approve_withdrawal, request_withdrawal
from reconciliation.banking import deciding
from reconciliation.banking.errors import NothingToPayOut
from reconciliation.banking.payout_files import make_payout_file, release_payout_file
from reconciliation.banking.payout_models import Payout
from reconciliation.banking.payouts import collect_payouts
from tests.actors import AppUser
from tests.payments.wallets import fill
from tests.reconciliation.bank_desk import PAYER_IBAN, BankDesk, Said

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]


@pytest.fixture
def withdrawal(app_user: AppUser, monkeypatch: pytest.MonkeyPatch) -> WalletWithdrawal:
    monkeypatch.setattr(services, "_refuse_withdrawal", lambda *_given: None)  # who may withdraw is the wallet's matter
    fill(app_user.user.pk, Money(10_000, "EUR"))
    draft = WithdrawalDraft(app_user.user.pk, Money(2_000, "EUR"), iban=PAYER_IBAN, holder="Ada Payer")
    return approve_withdrawal(request_withdrawal(draft).id, by="usr_ops")


def sent(desk: BankDesk) -> Payout:
    assert collect_payouts() == 1
    batch = make_payout_file(desk.account.id, made_by="usr_ada", today=date(2026, 11, 21))
    release_payout_file(batch.id, sha256=batch.sha256, released_by="usr_bob")
    return Payout.objects.get()


def test_a_withdrawal_is_sent_with_the_file_and_paid_by_the_banks_line(
    desk: BankDesk, withdrawal: WalletWithdrawal, all_is_whole: Whole
) -> None:
    payout = sent(desk)
    withdrawal.refresh_from_db()
    assert (withdrawal.status, payout.creditor_iban, payout.subject_id) == ("sent", PAYER_IBAN, withdrawal.id)
    assert collect_payouts() == 0

    (line,) = desk.receives(Said("20.00", is_credit=False, end_to_end=payout.end_to_end_id))

    withdrawal.refresh_from_db()
    assert (withdrawal.status, line.status) == ("paid", "done")
    assert desk.books() == {"bank": -2_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    all_is_whole()


def test_a_frozen_wallets_withdrawal_keeps_nobody_elses_payout_waiting(
    desk: BankDesk, withdrawal: WalletWithdrawal, all_is_whole: Whole
) -> None:
    (stray,) = desk.receives(Said("7.00", text="for nobody"))
    deciding.propose(stray.id, remedy="return", reason="not ours", proposed_by="usr_ada")
    assert collect_payouts() == 1
    freeze(withdrawal.wallet_id, reason="looked odd", by="usr_ops")

    batch = make_payout_file(desk.account.id, made_by="usr_ada", today=date(2026, 11, 21))
    release_payout_file(batch.id, sha256=batch.sha256, released_by="usr_bob")

    states = dict(Payout.objects.values_list("subject_id", "status"))
    assert states == {withdrawal.id: "waiting", stray.id: "released"}
    with pytest.raises(NothingToPayOut):
        make_payout_file(desk.account.id, made_by="usr_ada", today=date(2026, 11, 21))
    unfreeze(withdrawal.wallet_id, reason="it was fine", by="usr_ops")
    again = make_payout_file(desk.account.id, made_by="usr_ada", today=date(2026, 11, 22))
    assert again.payouts.get().subject_id == withdrawal.id
    all_is_whole()


def test_a_withdrawal_that_comes_back_is_given_back(
    desk: BankDesk, withdrawal: WalletWithdrawal, app_user: AppUser, all_is_whole: Whole
) -> None:
    payout = sent(desk)
    assert balance(app_user.user.pk, "EUR").minor == 8_000

    (line,) = desk.receives(Said("20.00", end_to_end=payout.end_to_end_id, is_return=True))

    withdrawal.refresh_from_db()
    assert (withdrawal.status, line.question) == ("failed", "returned")
    assert balance(app_user.user.pk, "EUR").minor == 10_000
    all_is_whole()
