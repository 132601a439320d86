"""A merchant's people answer their disputes: words, files, send, or give up."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from merchants.console import FINANCE, may_act
from paycore.errors import PaycoreError
from paycore.sites import merchant_site
from paycore.sites.dialogs import go_to
from paycore.uploads import FileRefused, checked_file
from payments.admin.dispute_pages import TEXT_TITLES, DisputeColumns, can_be_answered, give_up, send
from payments.admin.filters import CurrencyFilter
from payments.admin.merchant_pages import OwnPage
from payments.admin.pages import ConfirmForm, Panel, asks_first
from payments.orders.disputes.answering import TEXT_KINDS, add_file, write_texts
from payments.orders.disputes.models import Dispute, DisputeFile


def _line(kind: str, *, max_length: int) -> forms.CharField:
    return forms.CharField(
        label=TEXT_TITLES[kind], max_length=max_length, required=False, widget=UnfoldAdminTextInputWidget
    )


def _paragraph(kind: str, *, max_length: int) -> forms.CharField:
    return forms.CharField(
        label=TEXT_TITLES[kind],
        max_length=max_length,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )


class AnswerForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """The same limits as the API's."""

    explanation = _paragraph("explanation", max_length=5_000)
    product_description = _paragraph("product_description", max_length=2_000)
    customer_name = _line("customer_name", max_length=200)
    customer_email = forms.EmailField(
        label=TEXT_TITLES["customer_email"], max_length=254, required=False, widget=UnfoldAdminEmailInputWidget
    )
    delivery_date = forms.DateField(
        label=TEXT_TITLES["delivery_date"], required=False, widget=UnfoldAdminSingleDateWidget
    )
    tracking_number = _line("tracking_number", max_length=100)
    carrier = _line("carrier", max_length=100)
    refund_policy = _paragraph("refund_policy", max_length=5_000)
    refund_refusal = _paragraph("refund_refusal", max_length=5_000)
    kind = forms.ChoiceField(
        label=_("The file is a"), choices=DisputeFile.Kind.choices, required=False, widget=UnfoldAdminSelectWidget
    )
    upload = forms.FileField(
        label=_("Add a file"),
        help_text=_("JPEG, PNG or PDF, 5 MB at most; ten files together."),
        required=False,
        widget=UnfoldAdminFileFieldWidget,
    )

    class Meta:
        model = Dispute
        fields = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for kind, text in (self.instance.texts or {}).items():
            self.fields[kind].initial = text

    def clean_upload(self) -> Any:
        received = self.cleaned_data["upload"]
        if received is None:
            return None
        try:
            return checked_file(received.read())
        except FileRefused as refusal:
            raise forms.ValidationError(str(refusal.title)) from refusal

    def texts(self) -> dict[str, str]:
        return {kind: str(self.cleaned_data[kind]) for kind in TEXT_KINDS if self.cleaned_data.get(kind)}


@admin.register(Dispute, site=merchant_site)
class OwnDisputeAdmin(DisputeColumns, OwnPage):
    change_roles = FINANCE
    form = AnswerForm
    list_display = ("id", "state", "answer_state", "total", "reason", "left", "made")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("answer", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        CurrencyFilter,
    )
    searches: ClassVar = {
        "dsp_": ("id", "payment__order__merchant_order_number"),
        "pay_": ("payment_id", "payment__order__merchant_order_number"),
        "ord_": ("payment__order_id", "payment__order__merchant_order_number"),
        "": ("payment__order__merchant_order_number",),
    }
    search_help_text = _("Your order number, or the id of a dispute, payment or order")
    ordering = ("-id",)
    actions_detail = ("send", "give_up")
    readonly_fields = (
        "id",
        "state",
        "total",
        "reason",
        "payment",
        "withdrawn",
        "answer_state",
        "left",
        "answered_at",
        "answer_failure",
        "opened_at",
        "evidence_due_at",
        "decided_at",
    )
    _facts: ClassVar[tuple[Any, ...]] = (
        (None, {"fields": (("id", "state"), ("total", "reason"), ("payment", "withdrawn"))}),
        (_("Answer"), {"fields": (("answer_state", "left"), ("answered_at", "answer_failure"))}),
        (_("Dates"), {"fields": (("opened_at", "evidence_due_at"), "decided_at")}),
    )
    _answer: ClassVar[tuple[Any, ...]] = (
        (_("Your words"), {"fields": TEXT_KINDS}),
        (_("Your files"), {"fields": ("kind", "upload")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Dispute | None = None) -> Any:
        return (*self._facts, *self._answer) if self.has_change_permission(request, obj) else self._facts

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The fields are the form's own: none of the row's can be edited."""
        return super().get_form(request, obj, change=change, **{**options, "fields": ()})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or can_be_answered(obj))

    def has_answer_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, FINANCE)

    def may_read_evidence(self, request: HttpRequest) -> bool:
        return may_act(request, FINANCE)

    def panels(self, request: HttpRequest, row: Dispute) -> Sequence[Panel]:
        return self.evidence_panels(row) if self.may_read_evidence(request) else ()

    def fitting_actions(self, row: Dispute) -> Collection[str]:
        return {"send", "give_up"} if can_be_answered(row) else ()

    def save_model(self, request: HttpRequest, obj: Dispute, form: Any, change: bool) -> None:
        """One service call for the words, one for the file; what the second refuses leaves the first."""
        try:
            write_texts(obj.id, form.texts())
            if (upload := form.cleaned_data.get("upload")) is not None:
                kind = DisputeFile.Kind(form.cleaned_data["kind"] or DisputeFile.Kind.OTHER)
                add_file(obj.id, kind=kind, file=upload, uploaded_by=str(request.user.pk))
        except PaycoreError as refusal:
            request.paycore_refusal = self.refusal_text(refusal)  # type: ignore[attr-defined]  # told in response_change

    def response_change(self, request: HttpRequest, obj: Dispute) -> HttpResponse:
        if refusal := getattr(request, "paycore_refusal", ""):
            self.message_user(request, refusal, messages.ERROR)
        else:
            self.message_user(request, gettext("Kept. Nothing is sent yet."), messages.SUCCESS)
        return go_to(request, self.page_address(obj))

    @asks_first(
        title=_("Send the answer"),
        text=_("What you wrote and uploaded goes to the payer's bank. It is final: you can add nothing later."),
        submit=_("Send"),
        permission="answer",
        icon="send",
        variant=ActionVariant.PRIMARY,
    )
    def send(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return send(self, request, object_id)

    @asks_first(
        title=_("Give up"),
        text=_("The payer keeps the money. It is final."),
        submit=_("Give up"),
        permission="answer",
        icon="flag",
        variant=ActionVariant.DANGER,
    )
    def give_up(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return give_up(self, request, object_id)
