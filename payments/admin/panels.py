"""The tables of a page. Each reads what belongs to one row, by an index."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from paycore.models import EventRecord
from paycore.money import CURRENCIES
from payments.admin.columns import (
    account_cell,
    facts,
    moment,
    money,
    money_or_none,
    object_link,
    page_link,
    state_label,
    tag,
)
from payments.admin.pages import Panel
from payments.checkout.presentation import method_name
from payments.ledger.models import Transfer
from payments.orders.failure_texts import failure_text
from payments.orders.models import Capture, Evidence, Order, Payment, Refund
from payments.orders.queries import evidence_about
from riskcontrol.models import Action

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NEWEST = 50


def lines_panel(order: Order) -> Panel:
    rows: list[Sequence[object]] = [
        (line.get("description", ""), line.get("quantity", 1), money(line.get("amount_minor", 0), order.currency))
        for line in order.lines
    ]
    if order.discount_minor:
        rows.append(
            (f"{gettext('Discount')} {order.promotion_codes}".strip(), "", money(-order.discount_minor, order.currency))
        )
    if rows:
        rows.append((_("Total"), "", money(order.amount_minor, order.currency)))
    return Panel(
        title=_("What was ordered"),
        headers=(_("Description"), _("Quantity"), _("Amount")),
        rows=rows,
        numbers={1, 2},
        empty=_("The merchant named no lines."),
    )


def payments_panel(order: Order, *, site: str, is_staff: bool) -> Panel:
    headers = [
        _("Payment"),
        _("Status"),
        _("Method"),
        _("Amount"),
        _("Captured"),
        _("Refunded"),
        _("Disputed"),
        _("Created"),
    ]
    rows = []
    payments = order.payments.select_related("gateway_account").order_by("-id")[:NEWEST]
    for payment in payments:
        row: list[object] = [
            page_link(site, "payments_payment", payment.id),
            payment_state(payment),
            method_name(payment.method),
            money(payment.amount_minor, payment.currency),
            money_or_none(payment.captured_minor, payment.currency),
            money_or_none(payment.refunded_minor, payment.currency),
            money_or_none(payment.disputed_minor, payment.currency),
            moment(payment.created_at),
        ]
        if is_staff:
            row.append(
                page_link(site, "payments_gatewayaccount", payment.gateway_account_id, text=payment.gateway_account)
            )
        rows.append(row)
    if is_staff:
        headers.append(_("Gateway account"))
    return Panel(
        title=_("Payments"), headers=headers, rows=rows, numbers={3, 4, 5, 6}, empty=_("Nobody has tried to pay yet.")
    )


def payment_state(payment: Payment) -> Any:
    state = state_label(payment.status, payment.get_status_display())
    return state + " " + tag(_("Surplus"), "danger") if payment.is_surplus else state


def captures_panel(payment: Payment) -> Panel:
    rows = [
        (
            capture.id,
            state_label(capture.status, dict(Refund.Status.choices).get(capture.status, capture.status)),
            money(capture.amount_minor, payment.currency),
            _("yes") if capture.is_final else _("no"),
            capture.failure_code or "–",
            moment(capture.created_at),
        )
        for capture in Capture.objects.filter(payment=payment).order_by("-id")[:NEWEST]
    ]
    headers = (_("Capture"), _("Status"), _("Amount"), _("Lets the rest go"), _("Failure"), _("Created"))
    return Panel(title=_("Captures"), headers=headers, rows=rows, numbers={2})


def refunds_panel(refunds: Iterable[Refund], *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "payments_refund", refund.id),
            state_label(refund.status, refund.get_status_display()),
            money(refund.amount_minor, refund.currency),
            refund.reason,
            moment(refund.created_at),
        )
        for refund in refunds
    ]
    headers = (_("Refund"), _("Status"), _("Amount"), _("Reason"), _("Requested"))
    return Panel(title=_("Refunds"), headers=headers, rows=rows, numbers={2}, empty=_("Nothing was given back."))


def disputes_panel(payment: Payment, *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "payments_dispute", dispute.id),
            state_label(dispute.status, dispute.get_status_display()),
            state_label(dispute.answer, dispute.get_answer_display()),
            money(dispute.amount_minor, dispute.currency),
            money_or_none(dispute.withdrawn_minor, dispute.currency),
            moment(dispute.opened_at),
        )
        for dispute in payment.disputes.defer("texts").order_by("-id")[:NEWEST]
    ]
    headers = (_("Dispute"), _("Status"), _("Answer"), _("Amount"), _("Taken back"), _("Opened on"))
    return Panel(title=_("Disputes of this payment"), headers=headers, rows=rows, numbers={3, 4})


def sessions_panel(order: Order, *, site: str) -> Panel:
    sessions = order.checkout_sessions.order_by("-id")[:NEWEST]
    rows = [
        (page_link(site, "payments_checkoutsession", session.id), session.created_by, moment(session.created_at))
        for session in sessions
    ]
    headers = (_("Checkout session"), _("Created by"), _("Created"))
    return Panel(title=_("Hosted checkout"), headers=headers, rows=rows, empty=_("No hosted page was asked for."))


def transfers_panel(objects: Sequence[tuple[str, str]]) -> Panel:
    """What the books say of these (business type, id) pairs, oldest first."""
    found = Transfer.objects.filter(
        posting__business_type__in={kind for kind, _id in objects},
        posting__business_id__in=[object_id for _kind, object_id in objects],
    ).select_related("posting", "debit_account", "credit_account")
    return Panel(
        title=_("In the books"),
        headers=(_("When"), _("Occasion"), _("From"), _("To"), _("Amount")),
        rows=[transfer_row(transfer) for transfer in found.order_by("id")[:200]],
        numbers={4},
        empty=_("No money has moved."),
    )


def transfer_row(transfer: Transfer) -> Sequence[object]:
    """A debited account receives on its asset side what the credited one gives."""
    posting, debit, credit = transfer.posting, transfer.debit_account, transfer.credit_account
    return (
        moment(posting.posted_at),
        occasion(posting.business_type, posting.phase),
        account_cell(credit.code),
        account_cell(debit.code),
        money(transfer.amount_minor, debit.currency),
    )


_told_above: "dict[tuple[str, str], StrOrPromise]" = {}


def register_occasions(words: "Mapping[tuple[str, str], StrOrPromise]") -> None:
    """What the postings of an app above are called, by business type and the beginning of the phase."""
    _told_above.update(words)


def occasion(business_type: str, phase: str) -> str:
    """``payment``, ``capture:1999`` → "Payment: captured"."""
    key = (business_type, phase.partition(":")[0])
    if key in _told_above:
        return str(_told_above[key])
    known = {
        ("payment", "capture"): gettext("Payment captured"),
        ("payment", "surplus_accepted"): gettext("Surplus given to its order"),
        ("refund", "succeeded"): gettext("Refund sent"),
        ("dispute", "withdrawn"): gettext("Taken back for a dispute"),
        ("dispute", "returned"): gettext("Given back after a dispute"),
        ("dispute", "fee"): gettext("Gateway's fee for a dispute"),
        ("discrepancy", "suspense"): gettext("Money of unknown owner taken in"),
        ("discrepancy", "returned"): gettext("Money of unknown owner given back"),
        ("discrepancy", "write_off"): gettext("Books follow the statement"),
    }
    return known.get(key, f"{business_type} {phase}")


def events_panel(object_ids: Sequence[str], *, site: str) -> Panel:
    events = EventRecord.objects.filter(object_id__in=object_ids).order_by("id")[:200]
    rows = [(moment(event.occurred_at), event.name, object_link(site, event.object_id)) for event in events]
    return Panel(title=_("What happened"), headers=(_("When"), _("Event"), _("About")), rows=rows)


def evidence_panel(object_id: str) -> Panel:
    rows = [
        (
            moment(evidence.received_at),
            evidence.get_source_display(),
            dict(Payment.Status.choices).get(evidence.outcome, evidence.outcome) or "–",
            _changed(evidence),
            facts(said(evidence)),
        )
        for evidence in evidence_about(object_id)[-200:]
    ]
    return Panel(
        title=_("Evidence"),
        note=_("Everything anybody said, applied or not."),
        headers=(_("When"), _("Source"), _("It said"), _("Effect"), _("Details")),
        rows=rows,
    )


def said(evidence: Evidence) -> dict[str, object]:
    """The details with amounts as people write them."""
    details = evidence.facts()
    currency = str(details.pop("currency", ""))
    for name in [name for name in details if name.endswith("_minor")]:
        minor = details[name]
        if currency in CURRENCIES and isinstance(minor, int):
            del details[name]
            details[name.removesuffix("_minor")] = money(minor, currency)
    return details


def _changed(evidence: Evidence) -> object:
    if evidence.is_applied:
        return tag(_("applied"), "success")
    notes = {
        "already_known": _("already known"),
        "not_applicable": _("does not fit the state"),
        "not_found": _("not known there"),
        "mismatch": _("amount or currency differs"),
    }
    return notes.get(evidence.note) or evidence.note.replace("_", " ") or _("nothing new")


def risk_text(payment: Payment) -> SafeString | str:
    """What risk control said, with the way to its page in the journal."""
    decided = payment.risk.get("action", "")
    if not decided:
        return "–"
    label = dict(Action.choices).get(decided, decided)
    parts: list[object] = [label, *payment.risk.get("reasons", [])]
    if decision_id := payment.risk.get("decision"):
        parts.append(page_link("ops", "riskcontrol_decision", decision_id))
    if payment.hold:
        parts.append(gettext("held until %(time)s") % {"time": localize(payment.held_until)})
    return format_html_join(" · ", "{}", ((part,) for part in parts))


def failure(payment: Payment) -> str:
    """Why it failed, in our words, with the code and what the gateway said."""
    if not payment.failure_code:
        return "–"
    said = f" “{payment.failure_message}”" if payment.failure_message else ""
    return f"{failure_text(payment.failure_code).headline} ({payment.failure_code}){said}"
