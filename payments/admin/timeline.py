"""The way of one refund, step by step: who asked, who decided, when it was sent, how it ended."""

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from merchants.models import ApiKey
from paycore.models import EventRecord
from payments.admin.columns import moment, state_label
from payments.admin.pages import Panel
from payments.orders.failure_texts import failure_text
from payments.orders.models import Evidence, Refund
from payments.orders.queries import evidence_about
from payments.orders.refunds import SYSTEM

_STATUS_OF_EVENT = {
    "refund.requested": Refund.Status.REQUESTED,
    "refund.approved": Refund.Status.APPROVED,
    "refund.rejected": Refund.Status.REJECTED,
    "refund.succeeded": Refund.Status.SUCCEEDED,
    "refund.failed": Refund.Status.FAILED,
}


def timeline_panel(refund: Refund, *, is_staff: bool) -> Panel:
    """Merchants read "the platform" where staff read who of them it was."""
    steps: list[tuple[Any, str, str, str]] = []
    for event in EventRecord.objects.filter(object_id=refund.id, name__in=_STATUS_OF_EVENT).order_by("id"):
        status = _STATUS_OF_EVENT[event.name]
        who, words = _words(refund, status, is_staff=is_staff)
        steps.append((event.occurred_at, str(status), who, words))
    if sent := _sent_step(refund):
        steps.append(sent)
    steps.sort(key=lambda step: step[0])
    rows = [
        (moment(when), state_label(status, _step_name(status)), who or "–", words or "–")
        for when, status, who, words in steps
    ]
    return Panel(title=_("The way of this refund"), headers=(_("When"), _("Step"), _("By"), _("Why")), rows=rows)


def _step_name(status: str) -> str:
    return gettext("Sent") if status == Refund.Status.SUBMITTING else str(Refund.Status(status).label)


def _words(refund: Refund, status: Refund.Status, *, is_staff: bool) -> tuple[str, str]:
    """Who took the step, and what they said."""
    if status == Refund.Status.REQUESTED:
        return person_or_key(refund.requested_by), refund.reason
    if status in (Refund.Status.APPROVED, Refund.Status.REJECTED):
        if refund.reviewed_by == SYSTEM:
            return gettext("Automatically"), gettext("Below the limit above which a person looks.")
        who = person_or_key(refund.reviewed_by) if is_staff else gettext("The platform")
        return who, refund.review_note
    if status == Refund.Status.FAILED:
        return gettext("The provider"), str(failure_text(refund.failure_code).headline)
    return gettext("The provider"), ""


def _sent_step(refund: Refund) -> tuple[Any, str, str, str] | None:
    """The first thing that was heard of it outside, else that it is under way."""
    heard = [entry for entry in evidence_about(refund.id) if entry.source != Evidence.Source.OPERATOR]
    if heard:
        return heard[0].received_at, str(Refund.Status.SUBMITTING), gettext("The system"), ""
    if refund.status == Refund.Status.SUBMITTING:
        return refund.updated_at, str(Refund.Status.SUBMITTING), gettext("The system"), ""
    return None


def person_or_key(actor: str) -> str:
    """Whoever has this id, in words; the id itself for what is gone."""
    if actor.startswith("usr_"):
        user = User.objects.filter(id=actor).first()
        return str(user) if user else actor
    if actor.startswith("key_"):
        key = ApiKey.objects.filter(id=actor).first()
        return gettext("API key %(name)s") % {"name": key} if key else actor
    return gettext("The system") if actor == SYSTEM else actor
