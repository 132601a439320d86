"""Texts that people agree to, and who agreed."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.consents.models import Consent, ConsentDocument
from accounts.consents.services import publish_document
from paycore.clock import database_now
from paycore.sites import ops_site
from paycore.sites.columns import page_link
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.read_only import ReadOnlyAdmin


@admin.register(ConsentDocument, site=ops_site)
class ConsentDocumentAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """A draft may be changed and deleted; a published text never again."""

    list_display = ("kind", "version", "published_at", "id")
    list_display_links = ("kind", "version")
    list_filter = (("kind", ChoicesDropdownFilter), ("published_at", admin.EmptyFieldListFilter))
    search_fields = ("=id", "version")
    ordering = ("-id",)
    fields = ("kind", "version", "text_en", "text_zh", "url", "published_at")
    readonly_fields = ("published_at",)
    actions = ("publish",)

    def has_change_permission(self, request: HttpRequest, obj: ConsentDocument | None = None) -> bool:
        return (obj is None or obj.published_at is None) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ConsentDocument | None = None) -> bool:
        """One by one only: the list's own action would try published ones too."""
        return obj is not None and obj.published_at is None and super().has_delete_permission(request, obj)

    @admin.action(description=_("Publish: in force from now on, unchangeable"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[ConsentDocument]) -> None:
        drafts = queryset.filter(published_at=None).values_list("id", flat=True)
        done: list[Any] = [publish_document(document_id, now=database_now()) for document_id in drafts]
        text = ngettext("%(count)d text was published.", "%(count)d texts were published.", len(done))
        self.message_user(request, text % {"count": len(done)}, messages.SUCCESS if done else messages.WARNING)


@admin.register(Consent, site=ops_site)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("id", "person", "kind", "document", "act", "at")
    list_select_related = ("document",)
    list_filter = (("kind", ChoicesDropdownFilter), ("act", ChoicesDropdownFilter), ("at", MadeBetweenFilter))
    list_filter_submit = True
    fields = ("id", "person", "kind", "document", "act", "network", "at")
    search_fields = ("=id", "=user__id", "=document__id")
    search_help_text = _("Id of a consent, a user or a text")
    ordering = ("-id",)

    @admin.display(description=_("Person"))
    def person(self, consent: Consent) -> SafeString | str:
        return page_link("ops", "accounts_user", consent.user_id) if consent.user_id else "–"
