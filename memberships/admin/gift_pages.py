"""Gifts, batches of codes, codes, what was redeemed and what was granted, for staff."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from memberships.admin.deed_pages import opens_page
from memberships.gifts.batches import BatchDraft, approve_batch, export_codes, start_batch, uses_of, void_batch
from memberships.models import CodeBatch, Gift, Grant, RedeemCode, Redemption
from paycore.clock import database_now
from paycore.code_batches import MOST_CODES, codes_as_csv, progress_of
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.columns import page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import object_link, state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage
from payments.admin.timeline import person_or_key
from riskcontrol.admin.own_pages import console_page


class _StatePage(MoneyPage):
    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Any) -> SafeString:
        return state_label(row.status, row.get_status_display())


@admin.register(Gift, site=ops_site)
class GiftAdmin(_StatePage, ReadOnlyAdmin):
    """The recipient's address and the buyer's words are theirs."""

    list_display = ("id", "state", "buyer", "plan_name", "deliver_at", "delivered_at", "made")
    list_select_related = ("buyer", "price__plan", "invoice")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "gft_": ("id",),
        "usr_": ("buyer_id", "codes__redemptions__user_id"),
        "ord_": ("invoice__order_id",),
        "inv_": ("invoice_id",),
        "": ("buyer__email", "invoice__number"),
    }
    search_help_text = _("Id of a gift, user, order or invoice, an invoice's number or the buyer's e-mail address")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("buyer", "plan_name"),
        ("invoice", "order"),
        ("deliver_at", "delivered_at"),
        ("ended_at", "created_at"),
        "language",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Gift]":
        """Unseals nothing."""
        rows: QuerySet[Gift] = super().get_queryset(request)
        return rows.defer("recipient_email", "message")

    @admin.display(description=_("Plan"))
    def plan_name(self, row: Gift) -> str:
        name = row.price.plan.name(get_language() or "en")
        return f"{name} · {row.price.interval_count} {row.price.get_interval_display()}"

    @admin.display(description=_("Order"))
    def order(self, row: Gift) -> SafeString | str:
        return object_link("ops", row.invoice.order_id) if row.invoice.order_id else "–"

    def panels(self, request: HttpRequest, row: Gift) -> Sequence[Panel]:
        return [_codes_panel(row.codes.order_by("-id")), _redemptions_panel(Redemption.objects.filter(code__gift=row))]


class BatchForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    count = forms.IntegerField(
        label=_("Codes"), min_value=1, max_value=MOST_CODES, initial=100, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = CodeBatch
        fields = ("name", "plan", "interval", "interval_count", "count", "uses_a_code", "expires_at")

    def clean_interval_count(self) -> int:
        count: int = self.cleaned_data["interval_count"]
        if not 1 <= count <= 366:
            raise forms.ValidationError(_("Between 1 and 366."))
        return count

    def clean_uses_a_code(self) -> int:
        uses: int = self.cleaned_data["uses_a_code"]
        if uses < 1:
            raise forms.ValidationError(_("At least once."))
        return uses

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= database_now():
            raise forms.ValidationError(_("Give a time that is still to come."))
        return expires_at


@admin.register(CodeBatch, site=ops_site)
class CodeBatchAdmin(FactsPage):
    """Made once, a big one when another person agreed; afterwards only exported, once, or ended."""

    form = BatchForm
    list_display = ("name", "state", "plan", "progress", "expires_at", "exported_at", "creator")
    list_select_related = ("plan",)
    list_filter = (("status", ChoicesDropdownFilter), ("plan", RelatedDropdownFilter))
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "name__istartswith")
    search_help_text = _("Id of a batch, or how its name begins")
    show_full_result_count = False
    ordering = ("-id",)
    actions_detail = ("approve", "export", "void")

    def get_fieldsets(self, request: HttpRequest, obj: CodeBatch | None = None) -> Any:
        if obj is None:
            names = ("name", "plan", ("interval", "interval_count"), ("count", "uses_a_code"), "expires_at")
            return ((None, {"fields": names}),)
        facts = (
            ("name", "state"), ("plan", "length"), ("progress", "redeemed"), ("uses_a_code", "expires_at"),
            ("creator", "created_at"), ("approver", "approved_at"), ("exported_at", "exporter"), "voided_at",
        )  # fmt: skip
        return ((None, {"fields": facts}),)

    def get_readonly_fields(self, request: HttpRequest, obj: CodeBatch | None = None) -> Any:
        if obj is None:
            return ()
        own = ("state", "length", "progress", "redeemed", "creator", "approver", "exporter")
        plain = ("name", "plan", "uses_a_code", "expires_at", "created_at", "approved_at", "exported_at", "voided_at")
        return (*own, *plain)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.change_codebatch"))

    def save_model(self, request: HttpRequest, obj: CodeBatch, form: Any, change: bool) -> None:
        data = form.cleaned_data
        draft = BatchDraft(
            name=data["name"],
            plan=data["plan"],
            interval=data["interval"],
            interval_count=data["interval_count"],
            count=data["count"],
            expires_at=data["expires_at"],
            uses_a_code=data["uses_a_code"],
        )
        made = start_batch(draft, by=str(request.user.pk), now=database_now())
        obj.__dict__.update(made.__dict__)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: CodeBatch) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Each gives"))
    def length(self, row: CodeBatch) -> str:
        return f"{row.interval_count} {row.get_interval_display()}"

    @admin.display(description=_("Made"))
    def progress(self, row: CodeBatch) -> str:
        return progress_of(row)

    @admin.display(description=_("Redeemed"))
    def redeemed(self, row: CodeBatch) -> str:
        return gettext("%(uses)d of %(most)d") % {"uses": uses_of(row), "most": row.count * row.uses_a_code}

    @admin.display(description=_("Created by"))
    def creator(self, row: CodeBatch) -> str:
        return person_or_key(row.created_by)

    @admin.display(description=_("Approved by"))
    def approver(self, row: CodeBatch) -> str:
        if row.approved_by:
            return person_or_key(row.approved_by)
        return gettext("Waits for a second person") if row.needs_second_person else "–"

    @admin.display(description=_("Exported by"))
    def exporter(self, row: CodeBatch) -> str:
        return person_or_key(row.exported_by) if row.exported_by else "–"

    def panels(self, request: HttpRequest, row: CodeBatch) -> Sequence[Panel]:
        return [_redemptions_panel(Redemption.objects.filter(batch=row))]

    def fitting_actions(self, row: CodeBatch) -> Collection[str]:
        if row.status == CodeBatch.Status.WAITING:
            return {"approve", "void"}
        may_export = row.status == CodeBatch.Status.READY and row.exported_at is None
        return ({"export"} if may_export else set()) | ({"void"} if row.status != CodeBatch.Status.VOID else set())

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<str:object_id>/codes/", self.admin_site.admin_view(self.codes_view), name="memberships_codebatch_codes"
        )
        return [own, *super().get_urls()]

    @asks_first(
        title=_("Agree to these codes"),
        text=_("They are made now, and each gives what this page says. Only another person than who asked may agree."),
        submit=_("Agree"),
        permission="operate",
        icon="check",
        variant=ActionVariant.PRIMARY,
    )
    def approve(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        batch, by = self.require_row(request, object_id), str(request.user.pk)
        return self.carry_out(
            request,
            batch,
            lambda: approve_batch(batch.id, by=by, now=database_now()),
            done=lambda _batch: gettext("The codes are being made."),
        )

    @opens_page(title=_("Export the codes"), icon="download", variant=ActionVariant.PRIMARY)
    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(reverse("ops:memberships_codebatch_codes", args=[object_id]))

    def codes_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Asks first: the file can be had once."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        batch = self.require_row(request, object_id)
        if request.method != "POST":
            context = {"title": gettext("Export the codes of %(name)s") % {"name": batch.name}, "batch": batch}
            context["cancel_address"] = self.page_address(batch)
            return console_page(self, request, "admin/memberships/export_codes.html", context)
        try:
            codes = export_codes(batch.id, by=str(request.user.pk), now=database_now())
        except PaycoreError as refusal:
            self.message_user(request, self.refusal_text(refusal), messages.ERROR)
            return HttpResponseRedirect(self.page_address(batch))
        self.log_change(request, batch, gettext("The codes were exported."))
        rows = ((code, batch.expires_at) for code in codes)
        headers = (pgettext("membership", "Code"), gettext("Expires (UTC)"))
        return codes_as_csv(batch, headers=headers, rows=rows)

    @asks_first(
        title=_("End these codes"),
        text=_("None of them can be redeemed from now on. What was redeemed stays."),
        submit=_("End these codes"),
        permission="operate",
        icon="block",
        variant=ActionVariant.DANGER,
    )
    def void(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        batch = self.require_row(request, object_id)
        return self.carry_out(
            request,
            batch,
            lambda: void_batch(batch.id, now=database_now()),
            done=lambda _batch: gettext("The codes have ended."),
        )


@admin.register(RedeemCode, site=ops_site)
class RedeemCodeAdmin(MoneyPage, ReadOnlyAdmin):
    """Known by its last four characters; nobody can read the others."""

    list_display = ("id", "last_four", "gift", "batch", "used", "voided_at", "made")
    list_select_related = ("gift", "batch")
    list_filter = (("created_at", MadeBetweenFilter),)
    searches: ClassVar = {"rdc_": ("id",), "gft_": ("gift_id",), "cbt_": ("batch_id",)}
    search_help_text = _("Id of a code, gift or batch")
    ordering = ("-id",)
    fields = (("id", "last_four"), ("gift", "batch"), ("used", "voided_at"), "created_at")

    @admin.display(description=_("Used"))
    def used(self, row: RedeemCode) -> str:
        return gettext("%(uses)d of %(most)d") % {"uses": row.uses, "most": row.uses_most}

    def panels(self, request: HttpRequest, row: RedeemCode) -> Sequence[Panel]:
        return [_redemptions_panel(row.redemptions.all())]


@admin.register(Redemption, site=ops_site)
class RedemptionAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "user", "code", "batch", "redeemed_at", "revoked_at")
    list_select_related = ("user", "code", "batch")
    list_filter = (("redeemed_at", admin.DateFieldListFilter),)
    searches: ClassVar = {
        "rdm_": ("id",), "usr_": ("user_id",), "rdc_": ("code_id",), "gft_": ("code__gift_id",),
        "cbt_": ("batch_id",), "": ("user__email",),
    }  # fmt: skip
    search_help_text = _("Id of a redemption, user, code, gift or batch, or the user's e-mail address")
    ordering = ("-id",)
    fields = (("id", "user"), ("code", "batch"), ("grant", "period"), ("redeemed_at", "revoked_at"))


@admin.register(Grant, site=ops_site)
class GrantAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "user", "plan", "source", "starts_at", "ends_at", "revoked_at")
    list_select_related = ("user", "plan")
    list_filter = (("source", ChoicesDropdownFilter), ("plan", RelatedDropdownFilter))
    searches: ClassVar = {"grt_": ("id",), "usr_": ("user_id",), "ord_": ("order_id",), "": ("user__email",)}
    search_help_text = _("Id of a grant, user or order, or the user's e-mail address")
    ordering = ("-id",)
    fields = (
        ("id", "user"),
        ("plan", "source"),
        ("starts_at", "ends_at"),
        ("revoked_at", "order"),
        ("given_by", "reason"),
        "created_at",
    )

    @admin.display(description=_("Given by"))
    def given_by(self, row: Grant) -> str:
        return person_or_key(row.granted_by) if row.granted_by else "–"


def _codes_panel(codes: "QuerySet[RedeemCode]") -> Panel:
    rows = [(f"…{code.last_four}", code.uses, moment(code.created_at), moment(code.voided_at)) for code in codes[:50]]
    headers = (pgettext_lazy("membership", "Code"), _("Used"), _("Created"), _("Void since"))
    return Panel(title=_("Codes"), headers=headers, rows=rows, numbers={1})


def _redemptions_panel(redemptions: "QuerySet[Redemption]") -> Panel:
    rows = [
        (
            page_link("ops", "memberships_redemption", row.id),
            object_link("ops", row.user_id),
            moment(row.given.starts_at),
            moment(row.given.ends_at),
            moment(row.redeemed_at),
            moment(row.revoked_at),
        )
        for row in redemptions.select_related("grant", "period").order_by("-id")[:50]
    ]
    headers = (_("Redemption"), _("User"), _("Starts"), _("Ends"), _("Redeemed"), _("Revoked"))
    return Panel(title=_("Redeemed"), headers=headers, rows=rows)
