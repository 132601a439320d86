"""People as staff see them. Addresses change through the app, where the new one is verified."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import User
from paycore.sites import ops_site

_RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewUserForm(UserCreationForm):  # type: ignore[misc]  # Unfold ships no types
    class Meta:
        model = User
        fields = ("email", "name")


class ChangedUserForm(UserChangeForm):  # type: ignore[misc]  # Unfold ships no types
    class Meta:
        model = User
        fields = ("name", "locale", "currency", "is_active", *_RIGHTS)


@admin.register(User, site=ops_site)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg,misc]  # Unfold ships no types
    """Only a superuser gives rights away or touches another superuser; nobody is deleted here."""

    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "id", "standing", "is_staff", "date_joined")
    list_display_links = ("email", "id")
    list_filter = ("is_active", "is_staff", "locale", ("date_joined", admin.DateFieldListFilter))
    search_fields = ("=id", "email", "name", "=phone")
    search_help_text = _("Id, e-mail address, name or phone number")
    ordering = ("-date_joined",)
    filter_horizontal = ("groups", "user_permissions")
    show_full_result_count = False
    readonly_fields = ("id", "email", "phone", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("id", "email", "phone", "password")}),
        (_("Profile"), {"fields": ("name", "locale", "currency")}),
        (_("Rights"), {"fields": ("is_active", *_RIGHTS)}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    @display(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Status"), label={"active": "success", "inactive": "danger"}, ordering="is_active"
    )
    def standing(self, user: User) -> tuple[str, Any]:
        return ("active", _("Active")) if user.is_active else ("inactive", _("Switched off"))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        return self.readonly_fields if request.user.is_superuser else (*self.readonly_fields, *_RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False
