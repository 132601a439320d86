"""A provider's statement that is wrong in three ways, and two people who put it right."""

from contextlib import suppress
from typing import Any

from accounts.models import User
from paycore.clock import database_now
from paycore.demo.acts import act
from paycore.demo.stage import Stage, StoryWentWrong
from payments.routing.models import GatewayAccount
from reconciliation.bank_demo import take_a_transfer
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.discrepancies.proposals import approve, propose
from reconciliation.errors import StatementBusy
from reconciliation.matching.reconcile import TO_DO
from reconciliation.services import reconcile_day
from reconciliation.statements.fetching import layout_for
from reconciliation.statements.models import Statement

__all__ = ["reconcile_the_day", "take_a_transfer"]

# What the sandbox is asked to get wrong about one payment each.
PLANTED = ("statement_wrong_fee(5)", "statement_missing", "statement_other_reference")


@act(order=50, name="reconciliation", title="The provider's statement disagrees")
def reconcile_the_day(stage: Stage) -> None:
    wrong = {script: _pay(stage, script)["id"] for script in PLANTED}
    right = _pay(stage, "approve")["id"]
    known = list(Discrepancy.objects.values_list("id", flat=True))  # those of an earlier story
    statement = _fetch(stage)
    found = list(statement.discrepancies.exclude(id__in=known).order_by("id"))
    rows = {row.subject_id: row for row in found if row.subject_id}
    stage.require(right not in rows, "what is right is not a discrepancy", rows.get(right))
    fee = rows[wrong["statement_wrong_fee(5)"]]
    stage.require((fee.kind, fee.aspect) == ("mismatch", "fee"), "the fee differs", fee.facts)
    stage.tell(f"{fee.id}: the fee in the statement is {fee.their_fee_minor}, in our books {fee.our_fee_minor}")
    for row in found:
        if row.id != fee.id:
            stage.tell(f"{row.id}: {row.get_kind_display()} ({row.reference})")
    kinds = {row.kind for row in found}
    stage.require(kinds == set(Discrepancy.Kind.values), "each kind of error that was planted is found", kinds)
    _settle(stage, fee)


def _fetch(stage: Stage) -> Statement:
    account = GatewayAccount.objects.get(name="Sandbox", gateway="sandbox")
    layout = layout_for(account)
    if layout is None:
        raise StoryWentWrong("The sandbox gives no statements.")
    day = layout.today(database_now())
    with suppress(StatementBusy):  # the worker compares it already
        reconcile_day(account.id, day, so_far=True)
    statement = Statement.objects.get(gateway_account=account, day=day)
    stage.wait_for(lambda: Statement.objects.get(id=statement.id).status, lambda status: status not in TO_DO)
    statement.refresh_from_db()
    stage.tell(
        f"The statement of {statement.day} so far: {statement.lines_read} lines, {statement.matched_lines} match"
    )
    return statement


def _settle(stage: Stage, fee: Discrepancy) -> None:
    olivia, rafael = (User.objects.get(email=f"{name}@demo.example").id for name in ("ops", "review"))
    why = "The provider's price list says so"
    proposal = propose(fee.id, remedy=Proposal.Remedy.WRITE_OFF, reason=why, proposed_by=olivia)
    stage.tell(f"Olivia proposes that our books follow the statement: {proposal.id}")
    settled = approve(proposal.id, fingerprint=proposal.fingerprint, approved_by=rafael)
    stage.require(settled.status == "resolved", "the second person's word settles it", settled.status)
    stage.told.setdefault("money moved by", []).append(("discrepancy", fee.id))
    stage.tell("Rafael, who looked at exactly this, approves: the difference is booked, once")


def _pay(stage: Stage, script: str) -> dict[str, Any]:
    details = {"currency": "USD", "amount_minor": 2_500, "description": "A pair of gloves"}
    body = {"order_details": details, "method": "card", "options": {"sandbox": {"scenario": script}}}
    payment = stage.server().post("/merchant/payments", body)
    stage.require(payment["status"] == "succeeded", f"{script} is about the statement only", payment)
    return payment
