"""Documents of an application. Every look at one is written down before it is shown."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from merchants.admin.columns import size_text
from merchants.console import APPROVED, BEING_REVIEWED, OWNER, MerchantScopedAdmin, may_act, require_membership
from merchants.models import DocumentView, MerchantDocument
from merchants.onboarding.documents import OpenedDocument, add_document, open_document, remove_document
from merchants.onboarding.services import OPEN_STATUSES
from paycore.errors import PaycoreError
from paycore.sites import merchant_site, ops_site
from paycore.sites.dialogs import asks_first, go_to
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from paycore.uploads import FileRefused, checked_file


class DocumentColumns(FactsPage):
    @admin.display(description=_("Size"), ordering="size_bytes")
    def size(self, document: MerchantDocument) -> str:
        return size_text(document.size_bytes)

    @admin.display(description=_("File"))
    def file(self, document: MerchantDocument) -> SafeString | str:
        if document.removed_at is not None:
            return gettext("Removed")
        address = reverse(f"{self.admin_site.name}:merchants_merchantdocument_file", args=[quote(document.pk)])
        text = gettext("Open (this is written down)")
        return format_html('<a class="paycore-link" href="{}" target="_blank" rel="noopener">{}</a>', address, text)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        own = [path("<path:object_id>/file/", view, name="merchants_merchantdocument_file")]
        return [*own, *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        document = self.get_object(request, unquote(object_id))
        if document is None or not self.has_view_permission(request, document):
            raise Http404
        return document_response(open_document(document_id=document.pk, viewed_by_id=str(request.user.pk)))


def document_response(opened: OpenedDocument) -> HttpResponse:
    """Pictures are shown, PDFs saved: what a stranger sent runs nothing on our address."""
    document = opened.document
    disposition = "inline" if document.content_type.startswith("image/") else "attachment"
    response = HttpResponse(opened.content, content_type=document.content_type)
    ending = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}[document.content_type]
    response["Content-Disposition"] = f'{disposition}; filename="{document.id}.{ending}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


@admin.register(MerchantDocument, site=ops_site)
class DocumentAdmin(DocumentColumns, ReadOnlyAdmin):
    list_display = ("id", "merchant", "kind", "file_name", "size", "created_at", "removed_at")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("merchant", AutocompleteSelectFilter),
        ("created_at", admin.DateFieldListFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_select_related = ("merchant",)
    search_fields = ("=id", "=merchant__id", "merchant__name", "=sha256")
    search_help_text = _("Id of a document or a merchant, the merchant's name, or the file's SHA-256")
    ordering = ("-id",)
    fields = (
        ("merchant", "kind"),
        ("file_name", "file"),
        ("content_type", "size"),
        "sha256",
        ("uploaded_by", "created_at"),
        "removed_at",
    )

    def panels(self, request: HttpRequest, row: MerchantDocument) -> Sequence[Panel]:
        views = DocumentView.objects.filter(document=row).select_related("viewed_by").order_by("-id")[:100]
        return [
            Panel(
                title=_("Who opened it"),
                headers=(_("When"), _("Who")),
                rows=[(moment(view.viewed_at), view.viewed_by) for view in views],
                empty=_("Nobody has opened it yet."),
            )
        ]


class DocumentForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    kind = forms.ChoiceField(label=_("Kind"), choices=MerchantDocument.Kind.choices, widget=UnfoldAdminSelectWidget)
    upload = forms.FileField(
        label=_("File"), help_text=_("JPEG, PNG or PDF, 5 MB at most."), widget=UnfoldAdminFileFieldWidget
    )

    class Meta:
        model = MerchantDocument
        fields = ("kind",)

    def clean_upload(self) -> Any:
        received = self.cleaned_data["upload"]
        try:
            checked = checked_file(received.read())
        except FileRefused as refusal:
            raise forms.ValidationError(str(refusal.title)) from refusal
        self.cleaned_data["file_name"] = received.name
        return checked


@admin.register(MerchantDocument, site=merchant_site)
class OwnDocumentAdmin(DocumentColumns, MerchantScopedAdmin):
    open_to_statuses = APPROVED | BEING_REVIEWED
    view_roles = OWNER
    add_roles = OWNER
    list_display = ("kind", "file_name", "size", "created_at")
    list_filter = (("kind", ChoicesDropdownFilter),)
    list_filter_submit = True
    search_fields = ("=id", "file_name")
    search_help_text = _("The file's name")
    ordering = ("-id",)
    actions_detail = ("remove",)
    form = DocumentForm

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(removed_at__isnull=True)

    def get_fields(self, request: HttpRequest, obj: MerchantDocument | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("kind", "upload")
        return ("kind", "file_name", "file", "content_type", "size", "uploaded_by", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: MerchantDocument | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj) if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_act(request, OWNER, statuses=OPEN_STATUSES)

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, OWNER, statuses=OPEN_STATUSES)

    def fitting_actions(self, row: MerchantDocument) -> Collection[str]:
        return {"remove"} if row.merchant.status in OPEN_STATUSES else ()

    def save_model(self, request: HttpRequest, obj: MerchantDocument, form: Any, change: bool) -> None:
        if change:
            raise PermissionDenied
        membership = require_membership(request)
        made = add_document(
            merchant_id=membership.merchant_id,
            kind=form.cleaned_data["kind"],
            file_name=form.cleaned_data["file_name"],
            upload=form.cleaned_data["upload"],
            uploaded_by_id=str(request.user.pk),
        )
        obj.__dict__.update(made.__dict__)

    @asks_first(
        title=_("Remove"),
        text=_("The file is deleted. You can upload another one."),
        submit=_("Remove"),
        permission="remove",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        document = self.require_row(request, object_id)
        try:
            remove_document(merchant_id=document.merchant_id, document_id=document.id)
        except PaycoreError as refusal:
            self.message_user(request, self.refusal_text(refusal), messages.ERROR)
        else:
            self.message_user(request, gettext("The document was removed."), messages.SUCCESS)
        return go_to(request, self.list_address())
