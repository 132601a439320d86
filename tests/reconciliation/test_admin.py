"""What staff see of statements and discrepancies, and what they may do about them."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from payments.ledger.models import Transfer
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.models import CarriedRecord, Statement
from tests.merchants.factories import make_user
from tests.payments.test_admin import act, clerk, page, signed_in
from tests.reconciliation.conftest import Day, discrepancies

pytestmark = pytest.mark.django_db
LIST = "ops:reconciliation_discrepancy_changelist"


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def other() -> Client:
    return signed_in(make_user(is_staff=True, is_superuser=True))


@pytest.fixture
def found(yesterday: Day) -> list[Discrepancy]:
    """A formula under an unknown reference, a wrong amount, a missing line."""
    yesterday.paid(scenario="approve+statement_wrong_amount(10)")
    yesterday.paid(scenario="approve+statement_missing")
    yesterday.becomes_yesterday()
    yesterday.plant("formulas")
    yesterday.reconcile()
    return discrepancies()


def select(client: Client, action: str, rows: list[Discrepancy], **more: Any) -> Any:
    body = {"action": action, "_selected_action": [row.id for row in rows], **more}
    return client.post(reverse(LIST), body, follow=True)


def test_lists_and_pages_show_both_sides_and_cannot_be_edited(ops: Client, found: list[Discrepancy]) -> None:
    statement = Statement.objects.get()
    shown = ops.get(reverse("ops:reconciliation_statement_changelist")).content.decode()
    assert "$62.09" in shown
    assert "$39.98" in shown
    assert "Sandbox" in shown
    for row in (statement, *found):
        assert ops.get(page(row)).status_code == 200
        assert ops.post(page(row), {"status": "resolved"}).status_code == 403
        assert ops.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    for name in ("carriedrecord", "proposal", "discrepancy"):
        assert ops.get(reverse(f"ops:reconciliation_{name}_changelist")).status_code == 200
    assert CarriedRecord.objects.count() == 0


def test_the_page_of_unknown_money_shows_the_line_as_it_came(ops: Client, found: list[Discrepancy]) -> None:
    row = next(row for row in found if row.aspect == "unknown")
    text = ops.get(page(row)).content.decode()
    assert "=cmd|&#x27; /C calc&#x27;!A0" in text
    assert "stx_unknown" in text


def test_a_day_that_did_not_come_is_called_not_received(ops: Client, yesterday: Day) -> None:
    yesterday.plant("not_ready")
    yesterday.reconcile()
    text = ops.get(reverse("ops:reconciliation_statement_changelist")).content.decode()
    assert "Not received" in text
    assert "not ready there" in text
    assert "Statements not received" in ops.get(reverse("ops:index")).content.decode()


def test_filters_and_search_find_what_they_say(ops: Client, found: list[Discrepancy]) -> None:
    wrong = next(row for row in found if row.aspect == "amount")

    def ids(**query: str) -> set[str]:
        answer = ops.get(reverse(LIST), query)
        assert answer.status_code == 200
        return {row.id for row in answer.context["cl"].result_list}

    assert ids() == {row.id for row in found}
    assert ids(kind__exact="mismatch") == {wrong.id}
    assert ids(q=wrong.reference) == {wrong.id}
    assert ids(q=wrong.id) == {wrong.id}
    assert ids(size_minor_from="1", size_minor_to="20") == {wrong.id}
    assert ids(assigned="me") == set()
    assert ids(status__exact="resolved") == set()


def test_one_proposes_and_another_approves(ops: Client, other: Client, found: list[Discrepancy]) -> None:
    row = next(row for row in found if row.aspect == "amount")
    act(ops, row, "propose", remedy="write_off", reason="their file is right")
    proposal = Proposal.objects.get()
    before = Transfer.objects.count()

    own = act(ops, row, "approve", fingerprint=proposal.fingerprint)
    assert "another person must decide" in own.content.decode()
    stale = act(other, row, "approve", fingerprint="0" * 64)
    assert "no longer the one" in stale.content.decode()
    assert Transfer.objects.count() == before
    act(other, row, "approve", fingerprint=proposal.fingerprint, note="seen")

    row.refresh_from_db()
    assert (row.status, row.resolution) == ("resolved", "write_off")
    assert Transfer.objects.count() == before + 1
    assert ops.get(page(row)).status_code == 200


def test_the_approval_dialog_carries_the_fingerprint_of_what_it_shows(ops: Client, found: list[Discrepancy]) -> None:
    row = next(row for row in found if row.aspect == "amount")
    act(ops, row, "propose", remedy="ignore", reason="a good reason")
    dialog = ops.get(page(row, "approve")).content.decode()
    assert Proposal.objects.get().fingerprint in dialog
    assert "a good reason" in dialog


def test_reject_withdraw_take_and_comment(ops: Client, other: Client, boss: User, found: list[Discrepancy]) -> None:
    row = next(row for row in found if row.kind == "missing_there")
    act(ops, row, "propose", remedy="ignore", reason="x")
    act(other, row, "reject", note="ask them")
    act(ops, row, "propose", remedy="ignore", reason="x")
    act(ops, row, "withdraw")
    act(ops, row, "take")
    act(ops, row, "comment", text="I wrote to them")
    row.refresh_from_db()
    assert (row.status, row.assigned_to) == ("open", boss)
    assert [proposal.status for proposal in row.proposals.order_by("id")] == ["rejected", "withdrawn"]
    assert row.notes.get().text == "I wrote to them"


def test_many_at_once_are_previewed_then_proposed_and_approved(
    ops: Client, other: Client, found: list[Discrepancy]
) -> None:
    preview = select(ops, "propose_selected", found).content.decode()
    assert all(row.reference in preview or row.aspect == "unknown" for row in found)
    assert not Proposal.objects.exists()
    select(ops, "propose_selected", found, confirmed="yes", remedy="write_off", reason="all of it")
    assert Proposal.objects.filter(status="waiting").count() == 3

    select(other, "approve_selected", found)
    assert not Proposal.objects.filter(status="approved").exists()
    shown = {f"shown_{proposal.discrepancy_id}": proposal.fingerprint for proposal in Proposal.objects.all()}
    select(other, "approve_selected", found, confirmed="yes", **dict(list(shown.items())[:2]))

    # What the page did not show is not approved.
    assert Proposal.objects.filter(status="approved").count() == 2
    assert Discrepancy.objects.filter(status="resolved").count() == 2


def test_the_export_escapes_formulas(ops: Client, found: list[Discrepancy]) -> None:
    answer = ops.get(reverse("ops:reconciliation_discrepancy_export"))
    text = b"".join(answer.streaming_content).decode()
    assert "'=cmd|' /C calc'!A0" in text
    assert "20.09" in text
    assert text.count("\r\n") == 4


def test_a_file_can_be_brought_by_hand(ops: Client, boss: User, yesterday: Day) -> None:
    address = reverse("ops:reconciliation_statement_upload")
    assert "multipart/form-data" in ops.get(address).content.decode()
    payment = yesterday.paid()
    yesterday.becomes_yesterday()
    body = "kind,reference,payment_reference,txn,coin,gross,fee,net,at\r\n" + yesterday.line_of(payment) + "\r\n"
    sent = {"account": yesterday.account.id, "day": str(yesterday.day)}

    answer = ops.post(address, {**sent, "file": SimpleUploadedFile("s.csv", body.encode())})

    assert answer.status_code == 303
    statement = Statement.objects.get()
    assert (statement.status, statement.files.get().uploaded_by) == ("fetched", boss.pk)
    again = ops.post(address, {**sent, "day": "2999-01-01", "file": SimpleUploadedFile("s.csv", b"x")})
    assert "not over yet" in again.content.decode()


def test_who_may_only_look_does_nothing(found: list[Discrepancy]) -> None:
    client = clerk("view_discrepancy", "view_statement", "view_proposal")
    row = next(row for row in found if row.aspect == "amount")
    assert client.get(page(row)).status_code == 200
    for action, fields in (("propose", {"remedy": "ignore", "reason": "x"}), ("comment", {"text": "x"}), ("take", {})):
        assert act(client, row, action, **fields).status_code == 403
    assert client.get(reverse("ops:reconciliation_statement_upload")).status_code == 403
    select(client, "propose_selected", found, confirmed="yes", remedy="ignore", reason="x")
    assert not Proposal.objects.exists()
    assert clerk().get(page(row)).status_code == 403


def test_to_propose_is_not_to_approve(ops: Client, found: list[Discrepancy]) -> None:
    row = next(row for row in found if row.aspect == "amount")
    act(ops, row, "propose", remedy="ignore", reason="x")
    client = clerk("view_discrepancy", "change_discrepancy")
    assert act(client, row, "approve", fingerprint=Proposal.objects.get().fingerprint).status_code == 403
    assert Proposal.objects.get().status == "waiting"


def test_ask_now_and_compare_again(ops: Client, found: list[Discrepancy]) -> None:
    statement = Statement.objects.get()
    act(ops, statement, "compare_again")
    statement.refresh_from_db()
    assert statement.status == "fetched"
    assert act(ops, statement, "ask_now").status_code == 200
    assert Statement.objects.get().revision == 1
