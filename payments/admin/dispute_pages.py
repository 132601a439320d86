"""Disputes, for staff: what the payer's bank says, what the merchant answered, and answering for them."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.enums import ActionVariant

from merchants.admin.columns import size_text
from paycore.clock import database_now
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, money, money_or_none, state_label, tag
from payments.admin.filters import CurrencyFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.panels import events_panel, evidence_panel, transfers_panel
from payments.orders.disputes.answering import TEXT_KINDS, accept_dispute, send_answer
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.orders.disputes.telling import MERCHANT_HEARS_BEFORE

TEXT_TITLES = {
    "explanation": _("What happened"),
    "product_description": _("What was sold"),
    "customer_name": _("Customer's name"),
    "customer_email": _("Customer's e-mail address"),
    "delivery_date": _("Day of delivery"),
    "tracking_number": _("Tracking number"),
    "carrier": _("Carrier"),
    "refund_policy": _("Refund policy"),
    "refund_refusal": _("Why it was not refunded"),
}
_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
_OPEN = (Dispute.Status.WARNING, Dispute.Status.NEEDS_RESPONSE)
_UNANSWERED = (Dispute.Answer.OPEN, Dispute.Answer.REFUSED)


def can_be_answered(dispute: Dispute) -> bool:
    return dispute.status in _OPEN and dispute.answer in _UNANSWERED


def time_left(dispute: Dispute) -> SafeString | str:
    """Until the date to answer by; nothing once somebody has."""
    until = dispute.evidence_due_at
    if until is None or not can_be_answered(dispute):
        return "–"
    now = database_now()
    if until <= now:
        return tag(gettext("Time is up"), "danger")
    return tag(timeuntil(until, now, depth=2), "warning" if until - now < MERCHANT_HEARS_BEFORE else "info")


class DisputeColumns(MoneyPage):
    """How a dispute's facts look, on both consoles; and the way to its files."""

    @admin.display(description=_("Status"), ordering="status")
    def state(self, dispute: Dispute) -> SafeString:
        return state_label(dispute.status, dispute.get_status_display())

    @admin.display(description=_("Answer"), ordering="answer")
    def answer_state(self, dispute: Dispute) -> SafeString:
        return state_label(dispute.answer, dispute.get_answer_display())

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, dispute: Dispute) -> str:
        return money(dispute.amount_minor, dispute.currency)

    @admin.display(description=_("Taken back"))
    def withdrawn(self, dispute: Dispute) -> str:
        return money_or_none(dispute.withdrawn_minor, dispute.currency)

    @admin.display(description=_("Gateway's fee"))
    def fee(self, dispute: Dispute) -> str:
        return money_or_none(dispute.fee_minor, dispute.currency)

    @admin.display(description=_("Time left"), ordering="evidence_due_at")
    def left(self, dispute: Dispute) -> SafeString | str:
        return time_left(dispute)

    @admin.display(description=_("Opened on"), ordering="pk")
    def made(self, dispute: Dispute) -> SafeString | str:
        return moment(dispute.opened_at)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Dispute]":
        """Lists unseal nothing."""
        rows: QuerySet[Dispute] = super().get_queryset(request)
        return rows.defer("texts")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        own = path("<path:object_id>/files/<str:file_id>/", view, name="payments_dispute_file")
        return [own, *super().get_urls()]

    def may_read_evidence(self, request: HttpRequest) -> bool:
        """What merchants write of their customers is not everybody's."""
        raise NotImplementedError

    def file_view(self, request: HttpRequest, object_id: str, file_id: str) -> HttpResponse:
        """Pictures are shown, PDFs saved: what a stranger sent runs nothing on our address."""
        dispute = self.get_object(request, unquote(object_id))
        is_allowed = dispute is not None and self.has_view_permission(request, dispute)
        file = dispute.files.filter(id=file_id).first() if is_allowed and self.may_read_evidence(request) else None
        if dispute is None or file is None:
            raise Http404
        self.log_change(request, dispute, f"opened {file.id}")
        disposition = "inline" if file.content_type.startswith("image/") else "attachment"
        response = HttpResponse(bytes(file.content), content_type=file.content_type)
        response["Content-Disposition"] = f'{disposition}; filename="{file.id}.{_ENDINGS[file.content_type]}"'
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "no-store"
        return response

    def evidence_panels(self, dispute: Dispute) -> list[Panel]:
        texts = dispute.texts or {}
        said = [(TEXT_TITLES[kind], texts[kind]) for kind in TEXT_KINDS if texts.get(kind)]
        files = [
            (
                self._link(dispute, file),
                file.get_kind_display(),
                file.content_type,
                size_text(file.size_bytes),
                moment(file.created_at),
            )
            for file in dispute.files.defer("content").order_by("id")
        ]
        headers = (_("File"), _("Kind"), _("Type"), _("Size"), _("Uploaded"))
        return [
            Panel(title=_("Written answer"), headers=(_("About"), _("Text")), rows=said),
            Panel(title=_("Files"), headers=headers, rows=files, numbers={3}),
        ]

    def _link(self, dispute: Dispute, file: DisputeFile) -> SafeString:
        address = reverse(f"{self.admin_site.name}:payments_dispute_file", args=[quote(dispute.pk), file.id])
        text = gettext("Open (this is written down)")
        return format_html('<a class="paycore-link" href="{}" target="_blank" rel="noopener">{}</a>', address, text)


@admin.register(Dispute, site=ops_site)
class DisputeAdmin(DisputeColumns, ReadOnlyAdmin):
    list_display = ("id", "state", "answer_state", "total", "reason", "merchant", "left", "made")
    list_select_related = ("merchant", "payment")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("answer", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        CurrencyFilter,
        ("merchant", AutocompleteSelectFilter),
        ("gateway_account", AutocompleteSelectFilter),
        ("evidence_due_at", RangeDateTimeFilter),
    )
    searches: ClassVar = {
        "dsp_": ("id", "gateway_reference"),
        "pay_": ("payment_id",),
        "ord_": ("payment__order_id",),
        "mer_": ("merchant_id",),
        "": ("gateway_reference", "payment__order__merchant_order_number"),
    }
    search_help_text = _(
        "Id of a dispute, payment, order or merchant, the gateway's reference or the merchant's order number"
    )
    ordering = (Case(When(status=Dispute.Status.NEEDS_RESPONSE, then=0), default=1), "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "reason"), ("payment", "merchant"))}),
        (_("Answer"), {"fields": (("answer_state", "left"), ("answered_by", "answered_at"), "answer_failure")}),
        (_("Money"), {"fields": (("withdrawn", "fee"), "rounds")}),
        (_("At the gateway"), {"fields": (("gateway_account", "gateway_reference"), ("next_attempt_at", "attempts"))}),
        (_("Dates"), {"fields": (("opened_at", "evidence_due_at"), ("decided_at", "reminded_at"))}),
    )
    actions_detail = ("send", "give_up")

    def may_read_evidence(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("payments.view_disputefile"))

    def panels(self, request: HttpRequest, row: Dispute) -> Sequence[Panel]:
        shown = self.evidence_panels(row) if self.may_read_evidence(request) else []
        shown.append(evidence_panel(row.id))
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel([("dispute", row.id)]))
        return [*shown, events_panel([row.id], site="ops")]

    def fitting_actions(self, row: Dispute) -> Collection[str]:
        return {"send", "give_up"} if can_be_answered(row) else ()

    @asks_first(
        title=_("Send the answer"),
        text=_("What the merchant wrote and uploaded goes to the gateway in their name. It is final."),
        submit=_("Send"),
        permission="operate",
        icon="send",
        variant=ActionVariant.PRIMARY,
    )
    def send(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return send(self, request, object_id)

    @asks_first(
        title=_("Give up"),
        text=_("The payer keeps the money, at the merchant's cost. It is final."),
        submit=_("Give up"),
        permission="operate",
        icon="flag",
        variant=ActionVariant.DANGER,
    )
    def give_up(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return give_up(self, request, object_id)


def send(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    dispute, by = page.require_row(request, object_id), str(request.user.pk)
    answer: HttpResponse = page.carry_out(
        request, dispute, lambda: send_answer(dispute.id, by=by), done=lambda _row: gettext("The answer is being sent.")
    )
    return answer


def give_up(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    dispute, by = page.require_row(request, object_id), str(request.user.pk)
    answer: HttpResponse = page.carry_out(
        request,
        dispute,
        lambda: accept_dispute(dispute.id, by=by),
        done=lambda _row: gettext("The gateway is being told that the payer keeps the money."),
    )
    return answer
