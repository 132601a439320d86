"""The merchant console's walls: a visitor sees and does only what their role at their merchant allows.

Every model on the merchant site is registered with a subclass of :class:`MerchantScopedAdmin`; a test walks the whole
registry for it and for leaks.
"""

from collections.abc import Sequence
from functools import wraps
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.db.models import ForeignKey, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from unfold.admin import ModelAdmin

from merchants.models import Merchant, MerchantMember
from merchants.queries import memberships_of
from paycore.sites.access import MerchantChoice, Visitor, offer_merchants_by
from paycore.sites.read_only import may_be_looked_up

EVERYONE = frozenset(MerchantMember.Role.values)
NOBODY: frozenset[str] = frozenset()
OWNER = frozenset({MerchantMember.Role.OWNER.value})
DEVELOPERS = frozenset({MerchantMember.Role.OWNER.value, MerchantMember.Role.DEVELOPER.value})
FINANCE = frozenset({MerchantMember.Role.OWNER.value, MerchantMember.Role.FINANCE.value})

APPROVED = frozenset({Merchant.Status.APPROVED.value})
BEING_REVIEWED = frozenset(
    {Merchant.Status.DRAFT.value, Merchant.Status.SUBMITTED.value, Merchant.Status.RETURNED.value}
)
EVERY_STATUS = frozenset({*APPROVED, *BEING_REVIEWED, Merchant.Status.SUSPENDED.value})

_ATTRIBUTE = "paycore_memberships"
_CHOSEN = "paycore_merchant"


def may_enter_console(visitor: Visitor) -> bool:
    return isinstance(visitor, AbstractBaseUser) and bool(memberships_of(str(visitor.pk)))


def active_membership(request: HttpRequest) -> MerchantMember | None:
    """The visitor's role at the merchant whose console this is: the one they chose in this session, while they have a
    role there; else the oldest one at an approved merchant; else the oldest one."""
    roles = _memberships(request)
    chosen = getattr(request, "session", {}).get(_CHOSEN)
    ranked = sorted(roles, key=lambda role: (role.merchant_id != chosen, role.merchant.status not in APPROVED))
    return ranked[0] if ranked else None


def choose_merchant(request: HttpRequest, merchant_id: str) -> bool:
    """The merchant that this session is about from now on; False, and nothing changed, without a role there."""
    if all(role.merchant_id != merchant_id for role in _memberships(request)):
        return False
    request.session[_CHOSEN] = merchant_id
    return True


def merchant_choices(request: HttpRequest) -> Sequence[MerchantChoice]:
    active = active_membership(request)
    return [
        MerchantChoice(
            id=role.merchant_id,
            title=role.merchant.name,
            detail="" if role.merchant.status in APPROVED else role.merchant.get_status_display(),
            is_chosen=active is not None and role.id == active.id,
        )
        for role in _memberships(request)
    ]


offer_merchants_by(merchant_choices, choose=choose_merchant)


def may_act(request: HttpRequest, roles: frozenset[str], *, statuses: frozenset[str] = APPROVED) -> bool:
    """Whether the visitor has one of ``roles`` at their merchant and it is in one of ``statuses``: what every deed on a
    merchant's page asks."""
    membership = active_membership(request)
    return membership is not None and membership.role in roles and membership.merchant.status in statuses


def _memberships(request: HttpRequest) -> Sequence[MerchantMember]:
    """Read once a request."""
    if not hasattr(request, _ATTRIBUTE):
        is_known = request.user.is_authenticated and request.user.is_active
        setattr(request, _ATTRIBUTE, memberships_of(str(request.user.pk)) if is_known else ())
    memberships: Sequence[MerchantMember] = getattr(request, _ATTRIBUTE)
    return memberships


def require_membership(request: HttpRequest) -> MerchantMember:
    membership = active_membership(request)
    if membership is None:
        raise PermissionDenied
    return membership


class MerchantScopedAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """``merchant_lookup`` is the path from the model to its merchant, e.g. ``"order__merchant"``.

    Django's model permissions are not asked: the role is, and the merchant's status. A suspended merchant's people look
    and change nothing; before approval only what is ``open_to_statuses`` is there. Nothing is ever deleted from here.
    """

    merchant_lookup: ClassVar[str] = "merchant"
    open_to_statuses: ClassVar[frozenset[str]] = APPROVED
    view_roles: ClassVar[frozenset[str]] = EVERYONE
    add_roles: ClassVar[frozenset[str]] = NOBODY
    change_roles: ClassVar[frozenset[str]] = NOBODY
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        membership = active_membership(request)
        return rows.none() if membership is None else rows.filter(**{self.merchant_lookup: membership.merchant_id})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may_look(request)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may_look(request) and self._is_own(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_act(request, self.add_roles, statuses=self.open_to_statuses)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return may_act(request, self.change_roles, statuses=self.open_to_statuses) and self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        """Every page and dialog of one row is there for its own merchant only; for others it is no page at all."""
        return [self._walled(pattern) for pattern in super().get_urls()]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return may_be_looked_up(self.model, lookup) and bool(super().lookup_allowed(lookup, value, request))

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

    def _walled(self, pattern: URLPattern) -> URLPattern:
        if pattern.name is None or "object_id" not in pattern.pattern.converters:
            return pattern
        view = pattern.callback

        @wraps(view)
        def walled(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
            # Who is not signed in is sent to do so, whatever they asked for.
            is_inside = self.admin_site.has_permission(request)
            if is_inside and self.get_object(request, unquote(options["object_id"])) is None:
                raise Http404
            return cast("HttpResponseBase", view(request, *args, **options))

        return URLPattern(pattern.pattern, walled, pattern.default_args, pattern.name)

    def _may_look(self, request: HttpRequest) -> bool:
        return may_act(request, self.view_roles, statuses=self.open_to_statuses | {Merchant.Status.SUSPENDED.value})

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
