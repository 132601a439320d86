"""What staff see of bank lines and payouts, and the command."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from payments.orders.models import Payment
from reconciliation.banking import deciding
from reconciliation.banking.models import BankDecision, BankEntry, BankStatement
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.tasks import collect_bank_payouts, read_bank_statements, settle_bank_lines
from tests.merchants.factories import make_user
from tests.payments.test_admin import act, clerk, page, signed_in
from tests.reconciliation.bank_desk import PAYER_IBAN, BankDesk, Said, camt

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]
MODELS = ("bankstatement", "bankentry", "payout", "payoutbatch")


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def other() -> Client:
    return signed_in(make_user(is_staff=True, is_superuser=True))


def upload(client: Client, desk: BankDesk, body: bytes) -> int:
    file = SimpleUploadedFile("november.xml", body)
    address = reverse("ops:reconciliation_bankstatement_upload")
    return client.post(address, {"account": desk.account.id, "file": file}).status_code


def test_an_uploaded_file_is_read_by_the_next_worker_and_shown(ops: Client, desk: BankDesk) -> None:
    payment = desk.asked()
    body = camt([Said("100.00", text=payment.gateway_reference), Said("7.00", text="a gift")])
    assert upload(ops, desk, body) == 303
    assert upload(ops, desk, body) == 303
    assert (read_bank_statements(), settle_bank_lines(), settle_bank_lines()) == (1, 2, 0)

    statement = BankStatement.objects.get()
    text = ops.get(page(statement)).content.decode()
    assert "2 lines, 2 new, 2 looked at" in text
    assert "november.xml" in text
    for entry in BankEntry.objects.all():
        shown = ops.get(page(entry)).content.decode()
        assert "Ada Payer" in shown
        assert PAYER_IBAN in shown
        assert ops.post(page(entry), {"status": "done"}).status_code == 403
        assert ops.post(page(entry, "delete"), {"post": "yes"}).status_code == 403
    payment.refresh_from_db()
    assert payment.status == "succeeded"


def test_a_refused_file_says_why(ops: Client, desk: BankDesk) -> None:
    upload(ops, desk, camt([Said("1.00")], iban=PAYER_IBAN))
    read_bank_statements()
    assert "The file is about another account." in ops.get(page(BankStatement.objects.get())).content.decode()


def test_lists_can_be_filtered_and_searched(ops: Client, desk: BankDesk) -> None:
    payment = desk.asked()
    line, _gift = desk.receives(Said("100.00", text=payment.gateway_reference), Said("7.00", bank_reference="GIFT7"))
    address = reverse("ops:reconciliation_bankentry_changelist")
    for query in (payment.gateway_reference, payment.id, line.id):
        shown = ops.get(address, {"q": query}).content.decode()
        assert line.id in shown
        assert "$7" not in shown
    assert line.id not in ops.get(address, {"status__exact": "open"}).content.decode()
    assert line.id not in ops.get(address, {"q": "GIFT7"}).content.decode()
    for model in MODELS:
        assert ops.get(reverse(f"ops:reconciliation_{model}_changelist")).status_code == 200
    assert b"GIFT7" in b"".join(ops.get(reverse("ops:reconciliation_bankentry_export")).streaming_content)


def test_two_people_decide_about_a_line(ops: Client, other: Client, desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked(20_000)
    (entry,) = desk.receives(Said("200.00", text="forgot it"))
    act(ops, entry, "propose", remedy="assign", payment=payment.id, reason="she sent the receipt")
    decision = BankDecision.objects.get()
    assert decision.status == "waiting"
    act(ops, entry, "approve", fingerprint=decision.fingerprint, note="")
    assert Payment.objects.get(id=payment.id).status == "requires_action"

    act(other, entry, "approve", fingerprint=decision.fingerprint, note="seen")

    assert Payment.objects.get(id=payment.id).status == "succeeded"
    assert "seen" in ops.get(page(entry)).content.decode()
    all_is_whole()


def test_a_proposal_can_be_rejected_and_withdrawn(ops: Client, other: Client, desk: BankDesk) -> None:
    (entry,) = desk.receives(Said("200.00", text="forgot it"))
    act(ops, entry, "propose", remedy="write_off", payment="", reason="x")
    act(other, entry, "reject", note="ask first")
    act(ops, entry, "propose", remedy="return", payment="", reason="x")
    act(ops, entry, "withdraw")
    assert sorted(BankDecision.objects.values_list("status", flat=True)) == ["rejected", "withdrawn"]
    assert BankEntry.objects.get().status == "open"


def test_two_people_send_a_payout_file(ops: Client, other: Client, desk: BankDesk) -> None:
    (entry,) = desk.receives(Said("50.00", text="?"))
    deciding.propose(entry.id, remedy="return", reason="not ours", proposed_by="usr_ada")
    collect_bank_payouts()
    assert ops.post(reverse("ops:reconciliation_payoutbatch_make"), {"account": desk.account.id}).status_code == 303
    batch = PayoutBatch.objects.get()
    assert PAYER_IBAN in ops.get(page(batch)).content.decode()
    assert ops.get(page(batch, "download")).status_code == 303
    act(ops, batch, "release", sha256=batch.sha256)
    act(other, batch, "release", sha256="0" * 64)
    assert PayoutBatch.objects.get().status == "prepared"

    act(other, batch, "release", sha256=batch.sha256)

    answer = other.get(page(batch, "download"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/xml")
    assert PAYER_IBAN.encode() in answer.content
    assert ops.get(page(Payout.objects.get())).status_code == 200


def test_an_account_is_entered_and_a_return_called_off(ops: Client, desk: BankDesk) -> None:
    (entry,) = desk.receives(Said("50.00", text="?", iban=""))
    deciding.propose(entry.id, remedy="return", reason="not ours", proposed_by="usr_ada")
    payout = Payout.objects.get()
    shown = act(ops, payout, "enter_account", name="Ada", iban="GB82WEST12345698765431").content.decode()
    assert "This is not a valid IBAN." in shown
    act(ops, payout, "enter_account", name="Ada", iban=PAYER_IBAN)
    assert Payout.objects.get().creditor_iban == PAYER_IBAN
    act(ops, payout, "cancel")
    assert Payout.objects.get().status == "canceled"


def test_who_may_only_look_can_do_nothing(desk: BankDesk) -> None:
    (entry,) = desk.receives(Said("50.00", text="?"))
    viewer = clerk(*(f"view_{model}" for model in MODELS))
    assert viewer.get(page(entry)).status_code == 200
    assert upload(viewer, desk, camt([Said("1.00")])) == 403
    assert viewer.post(reverse("ops:reconciliation_payoutbatch_make"), {"account": desk.account.id}).status_code == 403
    act(viewer, entry, "propose", remedy="write_off", payment="", reason="x")
    assert (BankDecision.objects.count(), BankStatement.objects.count()) == (0, 1)


def test_the_command_reads_settles_and_prints(desk: BankDesk, tmp_path: Path) -> None:
    payment = desk.asked()
    file = tmp_path / "bank.xml"
    file.write_bytes(camt([Said("100.00", text=payment.gateway_reference), Said("7.00", text="?")]))
    out = StringIO()
    call_command("bank_statement", str(file), "--account", desk.account.id, stdout=out)
    assert "2 lines, 2 new" in out.getvalue()
    assert "unknown, 7.00 EUR open" in out.getvalue()
    assert Payment.objects.get(id=payment.id).status == "succeeded"
    file.write_bytes(b"nonsense")
    with pytest.raises(CommandError, match="neither MT940 nor"):
        call_command("bank_statement", str(file), "--account", desk.account.id)
    with pytest.raises(CommandError):
        call_command("bank_statement", str(file), "--account", "gwa_nothing")
    with pytest.raises(CommandError):
        call_command("bank_statement", str(tmp_path / "nothing"), "--account", desk.account.id)
