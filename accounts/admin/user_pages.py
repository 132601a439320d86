"""People as staff see them. Addresses change through the app, where the new one is verified."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin.masking import masked_email, masked_phone
from accounts.consents.services import standing_consents
from accounts.leaving.closing import close_account, end_sessions, reopen_account
from accounts.leaving.erasing import cancel_erasure, request_erasure
from accounts.leaving.models import Erasure
from accounts.models import User
from accounts.personal_data.sections import warnings_about
from paycore.clock import database_now
from paycore.sites import ops_site
from paycore.sites.columns import page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.pages import FactsPage, Panel, moment

_RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewUserForm(UserCreationForm):  # type: ignore[misc]  # Unfold ships no types
    class Meta:
        model = User
        fields = ("email", "name")


class ChangedUserForm(UserChangeForm):  # type: ignore[misc]  # Unfold ships no types
    class Meta:
        model = User
        fields = ("name", "locale", "currency", "is_active", *_RIGHTS)

    def clean_is_active(self) -> bool:
        is_active = bool(self.cleaned_data["is_active"])
        if is_active and self.instance.closed_at is not None:
            raise ValidationError(_("The account is closed. Reopen it first."))
        return is_active


class ClosingForm(ConfirmForm):
    reason = forms.CharField(
        label=_("Reason"), max_length=300, required=False, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


@admin.register(User, site=ops_site)
class UserAdmin(DjangoUserAdmin, FactsPage):  # type: ignore[type-arg,misc]  # Unfold ships no types
    """Only a superuser gives rights away or touches a colleague's account; nobody is deleted here."""

    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("id", "address", "name", "standing", "level", "is_staff", "date_joined")
    list_display_links = ("id", "address")
    list_filter = (
        "is_active",
        "is_staff",
        ("kyc_level", ChoicesDropdownFilter),
        ("closed_at", admin.EmptyFieldListFilter),
        "locale",
        ("date_joined", MadeBetweenFilter),
    )
    list_filter_submit = True
    search_fields = ("id",)  # get_search_results decides
    search_help_text = _("Id, whole e-mail address, whole phone number, or a part of the name")
    ordering = ("-id",)
    filter_horizontal = ("groups", "user_permissions")
    show_full_result_count = False
    readonly_fields = (
        "id",
        "email",
        "phone",
        "phone_verified_at",
        "kyc_level",
        "closed_at",
        "closing_reason",
        "erased_at",
        "last_login",
        "date_joined",
    )
    fieldsets = (
        (None, {"fields": ("id", "email", ("phone", "phone_verified_at"), "password")}),
        (_("Profile"), {"fields": ("name", "locale", "currency", "kyc_level")}),
        (_("Rights"), {"fields": ("is_active", *_RIGHTS)}),
        (_("Leaving"), {"fields": (("closed_at", "erased_at"), "closing_reason")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )
    actions_detail = ("sign_out", "close", "reopen", "erase", "keep")

    @display(description=pgettext_lazy("person", "Address"))  # type: ignore[untyped-decorator]  # Unfold ships no types
    def address(self, user: User) -> str:
        return masked_email(user.email) or masked_phone(user.phone) or "–"

    @display(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Status"),
        label={"active": "success", "inactive": "danger", "closed": "warning", "erased": "info"},
        ordering="is_active",
    )
    def standing(self, user: User) -> tuple[str, Any]:
        if user.erased_at is not None:
            return "erased", _("Erased")
        if user.closed_at is not None:
            return "closed", _("Closed")
        return ("active", _("Active")) if user.is_active else ("inactive", _("Switched off"))

    @display(description=_("Identity"), ordering="kyc_level")  # type: ignore[untyped-decorator]
    def level(self, user: User) -> str:
        return user.get_kyc_level_display()

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[QuerySet[User], bool]:
        """Whole addresses only: the index finds them, and nobody lists people by a part of one."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(email=term.lower()), False
        if term.startswith("+"):
            return queryset.filter(phone=term), False
        if term.startswith("usr_"):
            return queryset.filter(pk=term), False
        return queryset.filter(name__icontains=term), False

    def panels(self, request: HttpRequest, row: User) -> Sequence[Panel]:
        return (_identity_panel(row), _consents_panel(row), _leaving_panel(row))

    def fitting_actions(self, row: User) -> Collection[str]:
        if row.is_superuser or row.erased_at is not None:
            return ()
        is_scheduled = row.erasures.filter(status=Erasure.Status.SCHEDULED).exists()
        deeds = {"keep"} if is_scheduled else {"erase"}
        return deeds | ({"reopen"} if row.closed_at else {"close", "sign_out"})

    def has_leave_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.change_user"))

    @asks_first(
        title=_("Sign out everywhere"),
        text=_("Every session and every token of this person ends at once. They can sign in again."),
        submit=_("Sign out"),
        permission="leave",
        icon="logout",
    )
    def sign_out(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        user = self.require_row(request, object_id)
        return self.carry_out(request, user, lambda: end_sessions(user), done=lambda _: gettext("Signed out."))

    @asks_first(
        title=_("Close the account"),
        text=_("At the person's wish. They are signed out and cannot sign in; nothing is erased."),
        submit=_("Close"),
        permission="leave",
        icon="person_off",
        variant=ActionVariant.DANGER,
        form=ClosingForm,
    )
    def close(self, request: HttpRequest, form: ClosingForm, object_id: str) -> HttpResponse:
        user = self.require_row(request, object_id)
        return self.carry_out(
            request,
            user,
            lambda: close_account(
                user.pk, reason=form.cleaned_data["reason"], confirmed=warnings_about(user.pk), now=database_now()
            ),
            done=lambda _: gettext("The account is closed."),
        )

    @asks_first(
        title=_("Reopen the account"),
        text=_("The person can sign in again."),
        submit=_("Reopen"),
        permission="leave",
        icon="person_add",
    )
    def reopen(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        user = self.require_row(request, object_id)
        return self.carry_out(
            request, user, lambda: reopen_account(user.pk), done=lambda _: gettext("The account is open again.")
        )

    @asks_first(
        title=_("Erase the person"),
        text=_("At the person's wish, after the days of grace. Orders and books stay, without name and address."),
        submit=_("Schedule the erasure"),
        permission="leave",
        icon="person_remove",
        variant=ActionVariant.DANGER,
    )
    def erase(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        user = self.require_row(request, object_id)
        staff = User.objects.get(pk=request.user.pk)
        return self.carry_out(
            request,
            user,
            lambda: request_erasure(user.pk, requested_by=staff, confirmed=warnings_about(user.pk), now=database_now()),
            done=lambda _: gettext("The erasure is scheduled."),
        )

    @asks_first(
        title=_("Cancel the erasure"),
        text=_("At the person's wish. Everything stays as it is."),
        submit=_("Cancel the erasure"),
        permission="leave",
        icon="undo",
    )
    def keep(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        user = self.require_row(request, object_id)
        return self.carry_out(
            request, user, lambda: cancel_erasure(user.pk), done=lambda _: gettext("The erasure is canceled.")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        return self.readonly_fields if request.user.is_superuser else (*self.readonly_fields, *_RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Who sets a colleague's password could also decide in the colleague's name, as the second person.
        if obj is not None and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


def _identity_panel(user: User) -> Panel:
    rows = [
        (
            page_link("ops", "accounts_kyccase", case.id),
            case.get_status_display(),
            case.get_document_type_display(),
            moment(case.created_at),
        )
        for case in user.kyc_cases.defer("number").order_by("-id")[:20]
    ]
    return Panel(title=_("Identity checks"), headers=(_("Check"), _("Status"), _("Document"), _("Sent at")), rows=rows)


def _consents_panel(user: User) -> Panel:
    rows = [
        (consent.get_kind_display(), consent.document.version, consent.get_act_display(), moment(consent.at))
        for consent in standing_consents(user.pk)
    ]
    return Panel(title=_("Consents"), headers=(_("Kind"), _("Version"), _("Act"), _("At")), rows=rows)


def _leaving_panel(user: User) -> Panel:
    rows = [
        (
            page_link("ops", "accounts_erasure", erasure.id),
            erasure.get_status_display(),
            moment(erasure.due_at),
            erasure.blocked_by or "–",
        )
        for erasure in user.erasures.order_by("-id")[:10]
    ]
    return Panel(title=_("Erasures"), headers=(_("Erasure"), _("Status"), _("Due"), _("Held up by")), rows=rows)
