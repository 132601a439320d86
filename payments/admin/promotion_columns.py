"""How a promotion looks on both consoles, and what may be done with it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from paycore.sites.dialogs import go_to
from payments.admin.columns import money, object_link, state_label
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.promotion_form import PromotionForm
from payments.admin.promotion_panels import (
    batches_panel,
    budget_so_far,
    codes_panel,
    days_panel,
    uses_panel,
    uses_so_far,
    what_it_gives,
)
from payments.admin.timeline import person_or_key
from payments.promotions.codes import normal_code
from payments.promotions.managing import (
    BatchDraft,
    CodeDraft,
    activate_promotion,
    add_batch,
    add_code,
    end_promotion,
    pause_promotion,
    save_draft,
)
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption
from payments.promotions.terms import fingerprint_of

_IN_UNITS = frozenset(("percent", "amounts", "most_off", "least", "budget"))


class ActivateForm(forms.Form):
    """``seen_rules`` binds the yes to what was on the page."""

    seen_rules = forms.CharField(max_length=64, widget=forms.HiddenInput)


class CodeForm(ConfirmForm):
    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        help_text=_("3 to 40 letters, digits, - or _"),
        widget=UnfoldAdminTextInputWidget,
    )
    max_uses = forms.IntegerField(
        label=_("Most uses"), required=False, min_value=1, max_value=10**9, widget=UnfoldAdminIntegerFieldWidget
    )

    def clean_code(self) -> str:
        code: str = normal_code(self.cleaned_data["code"])
        if not code:
            raise forms.ValidationError(_("3 to 40 letters, digits, - or _"))
        return code


class BatchForm(ConfirmForm):
    count = forms.IntegerField(
        label=_("How many"), min_value=1, max_value=100_000, initial=100, widget=UnfoldAdminIntegerFieldWidget
    )
    prefix = forms.CharField(label=_("Prefix"), required=False, max_length=12, widget=UnfoldAdminTextInputWidget)
    note = forms.CharField(label=_("Note"), required=False, max_length=120, widget=UnfoldAdminTextInputWidget)


class PromotionColumns(MoneyPage):
    """What both consoles show of a promotion, and do with it; ``operate`` is the permission for deeds."""

    form = PromotionForm
    searches: ClassVar = {"prm_": ("id",), "prc_": ("codes__id",), "": ("name",)}
    search_help_text = _("Id or the whole name of a promotion, or one of its codes")
    ordering = ("-id",)
    actions_detail = ("activate", "pause", "add_code", "make_codes", "end")
    record: ClassVar = (
        "state",
        "uses",
        "budget_used",
        "writers",
        "needs_second_person",
        "activator",
        "activated_at",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        rows, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term.strip() and (code := normal_code(search_term)):
            rows = rows | queryset.filter(id__in=PromotionCode.objects.filter(code=code).values("promotion_id"))
        return rows, may_repeat

    @admin.display(description=_("Status"), ordering="status")
    def state(self, promotion: Promotion) -> SafeString:
        return state_label(promotion.status, promotion.get_status_display())

    @admin.display(description=_("Gives"))
    def gives(self, promotion: Promotion) -> str:
        return what_it_gives(promotion)

    @admin.display(description=_("Uses"), ordering="used")
    def uses(self, promotion: Promotion) -> str:
        return uses_so_far(promotion)

    @admin.display(description=_("Budget taken"))
    def budget_used(self, promotion: Promotion) -> str:
        return budget_so_far(promotion)

    @admin.display(description=_("Written by"))
    def writers(self, promotion: Promotion) -> SafeString | str:
        return format_html_join(", ", "{}", ((self._person(author),) for author in promotion.authors)) or "–"

    @admin.display(description=_("Activated by"))
    def activator(self, promotion: Promotion) -> SafeString | str:
        return self._person(promotion.activated_by) if promotion.activated_by else "–"

    @admin.display(description=_("Percent off"))
    def percent_read(self, promotion: Promotion) -> str:
        return _percent(promotion)

    @admin.display(description=_("Amounts off"))
    def amounts_read(self, promotion: Promotion) -> str:
        return _amounts(promotion.amounts)

    @admin.display(description=_("Most off"))
    def most_off_read(self, promotion: Promotion) -> str:
        return _amounts(promotion.most_off)

    @admin.display(description=_("Smallest amounts"))
    def least_read(self, promotion: Promotion) -> str:
        return _amounts(promotion.least)

    @admin.display(description=_("Budget"))
    def budget_read(self, promotion: Promotion) -> str:
        return "–" if promotion.budget_minor is None else money(promotion.budget_minor, promotion.budget_currency)

    def _person(self, actor: str) -> SafeString | str:
        return object_link("ops", actor) if self.admin_site.name == "ops" else person_or_key(actor)

    def fields_to_read(self, request: HttpRequest, obj: Promotion | None, sets: Sequence[Any]) -> list[Any]:
        """``sets``; what the form asks for in people's units is shown in them where nothing can be typed."""
        if obj is None or self.has_change_permission(request, obj):
            return list(sets)
        return [(title, {**options, "fields": _read_names(options["fields"])}) for title, options in sets]

    def get_readonly_fields(self, request: HttpRequest, obj: Promotion | None = None) -> tuple[str, ...]:
        return (*self.record, "merchant") if obj else self.record

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_open = obj is None or obj.status == Promotion.Status.DRAFT
        return is_open and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Promotion, form: Any, change: bool) -> None:
        save_draft(obj, author_id=str(request.user.pk))

    def panels(self, request: HttpRequest, row: Promotion) -> Sequence[Panel]:
        uses = Redemption.objects.filter(promotion=row)
        site = self.admin_site.name
        return (
            codes_panel(row, site=site),
            batches_panel(row, site=site),
            days_panel(uses),
            uses_panel(uses, site=site),
        )

    def fitting_actions(self, row: Promotion) -> Collection[str]:
        match row.status:
            case Promotion.Status.ENDED:
                return ()
            case Promotion.Status.ACTIVE:
                return {"pause", "add_code", "make_codes", "end"}
        return {"activate", "add_code", "make_codes", "end"}

    @action(description=_("Activate"), permissions=["operate"], icon="play_arrow", variant=ActionVariant.PRIMARY)  # type: ignore[untyped-decorator]  # Unfold ships no types
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row: Promotion = self.require_row(request, object_id)
        form = ActivateForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            seen, by_id = form.cleaned_data["seen_rules"], str(request.user.pk)
            return self.carry_out(
                request,
                row,
                lambda: activate_promotion(row.id, by_id=by_id, seen=seen),
                done=lambda _row: gettext("Its codes work now."),
            )
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Activate"),
            "opts": self.opts,
            "media": self.media,
            "text": gettext(
                "From now on its codes work, and its terms never change. When it may cost a lot, who wrote it cannot "
                "activate it."
            ),
            "button": gettext("Activate"),
            "back": self.page_address(row),
            "form": ActivateForm(initial={"seen_rules": fingerprint_of(row)}),
            "panels": [terms_panel(row), codes_panel(row, site=self.admin_site.name)],
        }
        return TemplateResponse(request, "admin/payments/activate_rules.html", context)

    @asks_first(
        title=_("Pause"),
        text=_("Its codes give nothing until it is activated again. What was promised stays promised."),
        submit=_("Pause"),
        permission="operate",
        icon="pause",
    )
    def pause(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: pause_promotion(row.id), done=lambda _row: gettext("The promotion is paused.")
        )

    @asks_first(
        title=_("End"),
        text=_("Its codes never give anything again. What was promised stays promised. This cannot be taken back."),
        submit=_("End"),
        permission="operate",
        icon="stop",
        variant=ActionVariant.DANGER,
    )
    def end(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: end_promotion(row.id), done=lambda _row: gettext("The promotion has ended.")
        )

    @asks_first(
        title=_("Add a code"),
        text=_("Everybody who knows it can use it."),
        submit=_("Add"),
        permission="operate",
        icon="add",
        form=CodeForm,
    )
    def add_code(self, request: HttpRequest, form: CodeForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        draft = CodeDraft(form.cleaned_data["code"], max_uses=form.cleaned_data["max_uses"])
        return self.carry_out(
            request,
            row,
            lambda: add_code(row.id, draft),
            done=lambda code: gettext("The code %(code)s was added.") % {"code": code.code},
        )

    @asks_first(
        title=_("Make many codes"),
        text=_("Each is good once. They are made in the background; then the batch's page has them as a file."),
        submit=_("Make them"),
        permission="operate",
        icon="qr_code_2",
        form=BatchForm,
    )
    def make_codes(self, request: HttpRequest, form: BatchForm, object_id: str) -> HttpResponse:
        row, wish = self.require_row(request, object_id), form.cleaned_data
        draft = BatchDraft(wish["count"], requested_by=str(request.user.pk), prefix=wish["prefix"], note=wish["note"])
        made: list[CodeBatch] = []
        answer = self.carry_out(
            request,
            row,
            lambda: made.append(add_batch(row.id, draft)),
            done=lambda _none: gettext("The codes are being made."),
        )
        if not made:
            return answer
        address = reverse(f"{self.admin_site.name}:payments_codebatch_change", args=[quote(made[0].id)])
        return go_to(request, address)


_LABELS = {"percent_basis_points": _("Percent off"), "amounts": _("Amounts off"), "most_off": _("Most off")}


def terms_panel(promotion: Promotion) -> Panel:
    """All that a second person agrees to, as it is stored."""
    hidden = {"authors", "needs_second_person", "status"}
    fields = [field for field in Promotion._meta.concrete_fields if field.editable and field.name not in hidden]
    rows = [(_LABELS.get(field.name, field.verbose_name), _shown(promotion, field)) for field in fields]
    return Panel(title=_("Terms"), headers=(_("Term"), _("Value")), rows=rows)


def _shown(promotion: Promotion, field: Any) -> str:
    value = getattr(promotion, field.name)
    if field.name == "percent_basis_points":
        return _percent(promotion)
    if field.choices:
        return str(getattr(promotion, f"get_{field.name}_display")())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, dict):
        return _amounts(value)
    return "–" if value is None or value == "" else str(value)


def _percent(promotion: Promotion) -> str:
    return f"{promotion.percent_basis_points / 100:g} %" if promotion.percent_basis_points else "–"


def _amounts(by_currency: Mapping[str, int]) -> str:
    return ", ".join(money(int(minor), currency) for currency, minor in by_currency.items()) or "–"


def _read_names(fields: Sequence[Any]) -> list[Any]:
    return [
        tuple(_read_names(name)) if isinstance(name, tuple) else f"{name}_read" if name in _IN_UNITS else name
        for name in fields
    ]
