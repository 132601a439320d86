"""People who act for a merchant, and those who were asked to."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.utils import display_for_label

from accounts.models import User
from merchants.admin.member_forms import InviteForm, RoleForm
from merchants.console import OWNER, MerchantScopedAdmin, may_act, require_membership
from merchants.members.services import change_role, invite_member, remove_member, withdraw_invitation
from merchants.models import Invitation, MerchantMember
from paycore.errors import PaycoreError
from paycore.sites import merchant_site, ops_site
from paycore.sites.dialogs import asks_first, go_to
from paycore.sites.pages import FactsPage
from paycore.sites.read_only import ReadOnlyAdmin

_COLOURS = {"open": "info", "accepted": "success", "withdrawn": "default", "expired": "warning"}


@admin.register(MerchantMember, site=ops_site)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ("user", "merchant", "role", "created_at")
    list_select_related = ("user", "merchant")
    list_filter = (("role", ChoicesDropdownFilter), ("merchant", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("=user__id", "=user__email", "=merchant__id", "merchant__name")
    search_help_text = _("Id or e-mail address of a person, id or name of a merchant")
    ordering = ("-id",)
    fields = ("user", "merchant", "role", "created_at")


@admin.register(MerchantMember, site=merchant_site)
class OwnMemberAdmin(FactsPage, MerchantScopedAdmin):
    list_display = ("user", "role", "created_at")
    list_select_related = ("user",)
    list_filter = (("role", ChoicesDropdownFilter),)
    list_filter_submit = True
    search_fields = ("user__name", "=user__email")
    search_help_text = _("Name or e-mail address")
    ordering = ("id",)
    fields = ("user", "email", "role", "created_at")
    readonly_fields = ("email",)
    actions_list = ("invite",)
    actions_detail = ("give_role", "remove")

    @admin.display(description=_("E-mail address"))
    def email(self, member: MerchantMember) -> str:
        return member.user.email or "–"

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, OWNER)

    def fitting_actions(self, row: MerchantMember) -> Collection[str]:
        return self.actions_detail

    @asks_first(
        title=_("Invite a person"),
        text=_("They get a link by e-mail that is good for seven days."),
        submit=_("Invite"),
        permission="manage",
        icon="person_add",
        variant=ActionVariant.PRIMARY,
        form=InviteForm,
    )
    def invite(self, request: HttpRequest, form: InviteForm) -> HttpResponse:
        membership = require_membership(request)
        try:
            invite_member(
                merchant_id=membership.merchant_id,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                invited_by=User.objects.get(pk=request.user.pk),
            )
        except PaycoreError as refusal:
            self.message_user(request, self.refusal_text(refusal), messages.ERROR)
        else:
            self.message_user(request, gettext("The invitation is on its way."), messages.SUCCESS)
        return go_to(request, self.list_address())

    @asks_first(
        title=_("Change the role"),
        text=_("It holds from their next click on."),
        submit=_("Change"),
        permission="manage",
        icon="badge",
        form=RoleForm,
    )
    def give_role(self, request: HttpRequest, form: RoleForm, object_id: str) -> HttpResponse:
        member = self.require_row(request, object_id)
        return self.carry_out(
            request,
            member,
            lambda: change_role(
                member_id=member.id,
                merchant_id=member.merchant_id,
                role=form.cleaned_data["role"],
                by=str(request.user.pk),
            ),
            done=lambda _answer: gettext("The role was changed."),
        )

    @asks_first(
        title=_("Remove"),
        text=_("They lose access to this console at once. Their account stays."),
        submit=_("Remove"),
        permission="manage",
        icon="person_remove",
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        member = self.require_row(request, object_id)
        try:
            remove_member(member_id=member.id, merchant_id=member.merchant_id, by=str(request.user.pk))
        except PaycoreError as refusal:
            self.message_user(request, self.refusal_text(refusal), messages.ERROR)
        else:
            self.message_user(request, gettext("The person was removed."), messages.SUCCESS)
        return go_to(request, self.list_address())


class InvitationColumns(FactsPage):
    @admin.display(description=_("Status"))
    def state(self, invitation: Invitation) -> SafeString:
        name, text = _state(invitation)
        label: SafeString = display_for_label((name, str(text)), "–", _COLOURS)
        return label


def _state(invitation: Invitation) -> tuple[str, Any]:
    if invitation.accepted_at:
        return "accepted", _("Accepted")
    if invitation.withdrawn_at:
        return "withdrawn", _("Withdrawn")
    return ("expired", _("Expired")) if invitation.expires_at <= timezone.now() else ("open", _("Open"))


@admin.register(Invitation, site=ops_site)
class InvitationAdmin(InvitationColumns, ReadOnlyAdmin):
    """Without the address: it is the merchant's matter whom they ask."""

    list_display = ("id", "merchant", "role", "state", "created_at", "expires_at")
    list_select_related = ("merchant",)
    list_filter = (("role", ChoicesDropdownFilter), ("merchant", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("=id", "=merchant__id", "merchant__name")
    search_help_text = _("Id of an invitation, id or name of a merchant")
    ordering = ("-id",)
    fields = ("merchant", "role", "state", "invited_by", "created_at", "expires_at", "accepted_by", "accepted_at")


@admin.register(Invitation, site=merchant_site)
class OwnInvitationAdmin(InvitationColumns, MerchantScopedAdmin):
    view_roles = OWNER
    list_display = ("email", "role", "state", "created_at", "expires_at")
    list_filter = (("role", ChoicesDropdownFilter),)
    list_filter_submit = True
    search_fields = ("=id",)
    search_help_text = _("Id of an invitation")
    ordering = ("-id",)
    fields = ("email", "role", "state", "created_at", "expires_at", "accepted_at", "withdrawn_at")
    actions_detail = ("withdraw",)

    def has_withdraw_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, OWNER)

    def fitting_actions(self, row: Invitation) -> Collection[str]:
        return {"withdraw"} if _state(row)[0] in ("open", "expired") else ()

    @asks_first(
        title=_("Withdraw"),
        text=_("The link in the mail stops working."),
        submit=_("Withdraw"),
        permission="withdraw",
        icon="cancel",
    )
    def withdraw(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: withdraw_invitation(invitation_id=row.id, merchant_id=row.merchant_id),
            done=lambda _answer: gettext("The invitation was withdrawn."),
        )
