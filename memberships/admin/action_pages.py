"""What staff did or want to do to memberships: progress, and the second person's decision."""

from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from memberships.actions.services import approve, reject, withdraw
from memberships.models import MemberAction, MemberActionItem
from paycore.sites import ops_site
from paycore.sites.columns import facts, money, page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage
from payments.admin.timeline import person_or_key

_SHOWN = 100


class AgreeForm(ConfirmForm):
    """``fingerprint``: an approval is of what the dialog showed."""

    fingerprint = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        found = MemberAction.objects.filter(pk=unquote(str(self.object_id))).first()
        self.fields["fingerprint"].initial = found.fingerprint if found else ""


@admin.register(MemberAction, site=ops_site)
class MemberActionAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "kind", "state", "progress", "money_moved", "who", "reason", "made")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "mac_": ("id",),
        "sub_": ("items__subscription_id",),
        "usr_": ("asked_by", "decided_by"),
    }
    search_help_text = _("Id of a deed, a subscription or a person of the staff")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "kind"), ("state", "progress"), ("money_moved", "what"), "reason")}),
        (_("Who"), {"fields": (("who", "decider"), ("created_at", "decided_at"), "finished_at")}),
    )
    actions_detail = ("agree", "refuse", "take_back")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: MemberAction) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Progress"))
    def progress(self, row: MemberAction) -> str:
        words = gettext("%(done)d of %(total)d done, %(refused)d refused")
        return words % {"done": row.done, "total": row.total, "refused": row.refused}

    @admin.display(description=_("Money that it is about"))
    def money_moved(self, row: MemberAction) -> str:
        return ", ".join(money(minor, currency) for currency, minor in sorted(row.amounts.items()) if minor) or "–"

    @admin.display(description=_("Terms"))
    def what(self, row: MemberAction) -> SafeString | str:
        return facts(row.terms)

    @admin.display(description=_("Asked by"))
    def who(self, row: MemberAction) -> str:
        return person_or_key(row.asked_by)

    @admin.display(description=_("Decided by"))
    def decider(self, row: MemberAction) -> str:
        return person_or_key(row.decided_by) if row.decided_by else "–"

    def panels(self, request: HttpRequest, row: MemberAction) -> Sequence[Panel]:
        items = row.items.select_related("subscription__user")
        refused = items.filter(status=MemberActionItem.Status.REFUSED).order_by("id")[:_SHOWN]
        first = items.order_by("id")[:_SHOWN]
        shown = [_items_panel(first, title=_("Subscriptions"))]
        return [_items_panel(refused, title=_("Refused")), *shown] if row.refused else shown

    def fitting_actions(self, row: MemberAction) -> Collection[str]:
        return {"agree", "refuse", "take_back"} if row.status == MemberAction.Status.WAITING else ()

    @asks_first(
        title=_("Agree"),
        text=_("It is done to every subscription below, in the background. This cannot be stopped."),
        submit=_("Agree"),
        permission="operate",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=AgreeForm,
    )
    def agree(self, request: HttpRequest, form: AgreeForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        seen, by = form.cleaned_data["fingerprint"], str(request.user.pk)
        return self.carry_out(
            request,
            row,
            lambda: approve(row.id, fingerprint=seen, approved_by=by),
            done=lambda _row: gettext("It is under way."),
        )

    @asks_first(
        title=_("Refuse"),
        text=_("Nothing happens to anybody."),
        submit=_("Refuse"),
        permission="operate",
        icon="close",
        variant=ActionVariant.DANGER,
    )
    def refuse(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: reject(row.id, rejected_by=str(request.user.pk)),
            done=lambda _row: gettext("It was refused."),
        )

    @asks_first(
        title=_("Withdraw"),
        text=_("Nothing happens to anybody. Only whoever asked for it can withdraw it."),
        submit=_("Withdraw"),
        permission="operate",
        icon="undo",
    )
    def take_back(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: withdraw(row.id, withdrawn_by=str(request.user.pk)),
            done=lambda _row: gettext("It was withdrawn."),
        )


def _items_panel(items: Iterable[MemberActionItem], *, title: object) -> Panel:
    rows = [
        (
            page_link("ops", "memberships_subscription", item.subscription_id),
            str(item.subscription.user),
            state_label(item.status, item.get_status_display()),
            item.note or "–",
            moment(item.done_at),
        )
        for item in items
    ]
    headers = (_("Subscription"), _("Member"), _("Status"), _("Note"), _("When"))
    return Panel(title=str(title), headers=headers, rows=rows)
