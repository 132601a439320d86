"""The merchant console's walls: a visitor sees and does only what their role at their merchant allows.

Every model on the merchant site is registered with a subclass of :class:`MerchantScopedAdmin`; a test walks the whole
registry for it and for leaks.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from merchants.models import MerchantMember
from merchants.queries import memberships_of
from paycore.sites.access import Visitor

EVERYONE = frozenset(MerchantMember.Role.values)
NOBODY: frozenset[str] = frozenset()
OWNER = frozenset({MerchantMember.Role.OWNER.value})
DEVELOPERS = frozenset({MerchantMember.Role.OWNER.value, MerchantMember.Role.DEVELOPER.value})
FINANCE = frozenset({MerchantMember.Role.OWNER.value, MerchantMember.Role.FINANCE.value})

_ATTRIBUTE = "paycore_membership"


def may_enter_console(visitor: Visitor) -> bool:
    return isinstance(visitor, AbstractBaseUser) and bool(memberships_of(str(visitor.pk)))


def active_membership(request: HttpRequest) -> MerchantMember | None:
    """The visitor's role at the merchant whose console this is: the oldest one; read once a request."""
    if not hasattr(request, _ATTRIBUTE):
        is_known = request.user.is_authenticated and request.user.is_active
        roles = memberships_of(str(request.user.pk)) if is_known else []
        setattr(request, _ATTRIBUTE, roles[0] if roles else None)
    membership: MerchantMember | None = getattr(request, _ATTRIBUTE)
    return membership


def require_membership(request: HttpRequest) -> MerchantMember:
    membership = active_membership(request)
    if membership is None:
        raise PermissionDenied
    return membership


class MerchantScopedAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """``merchant_lookup`` is the path from the model to its merchant, e.g. ``"order__merchant"``.

    Django's model permissions are not asked: the role is. Nothing is ever deleted from here.
    """

    merchant_lookup: ClassVar[str] = "merchant"
    view_roles: ClassVar[frozenset[str]] = EVERYONE
    add_roles: ClassVar[frozenset[str]] = NOBODY
    change_roles: ClassVar[frozenset[str]] = NOBODY
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        membership = active_membership(request)
        return rows.none() if membership is None else rows.filter(**{self.merchant_lookup: membership.merchant_id})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _has_role(request, self.view_roles)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return _has_role(request, self.view_roles) and self._is_own(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _has_role(request, self.add_roles)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return _has_role(request, self.change_roles) and self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        """A plain filter on a relation would list other merchants' rows: those are narrowed to related rows here."""
        return [self._narrowed(entry) for entry in super().get_list_filter(request)]

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **options: Any) -> Any:
        """Offers own rows only; of a model that is not on this site, none."""
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if isinstance(related, MerchantScopedAdmin):
            options["queryset"] = related.get_queryset(request)
        else:
            options["queryset"] = db_field.remote_field.model._default_manager.none()
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        membership = require_membership(request)
        if not change and self.merchant_lookup == "merchant":
            obj.merchant_id = membership.merchant_id
        if change and not self._is_own(request, obj):
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def _is_own(self, request: HttpRequest, obj: models.Model | None) -> bool:
        return obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()

    def _narrowed(self, entry: Any) -> Any:
        if not isinstance(entry, str):
            return entry
        field = get_fields_from_path(self.model, entry)[-1]
        if field.is_relation:
            return entry, admin.RelatedOnlyFieldListFilter
        if "__" in entry and not field.choices and not isinstance(field, models.BooleanField | models.DateField):
            raise ImproperlyConfigured(f"list_filter {entry!r} would offer the values of every merchant")
        return entry


def _has_role(request: HttpRequest, roles: frozenset[str]) -> bool:
    membership = active_membership(request)
    return membership is not None and membership.role in roles
