"""The queue of identity checks: staff look at the document, every look is written down, and decide."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.utils import display_for_label
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin.masking import short_name_of
from accounts.kyc.models import KycCase, KycDocumentView
from accounts.kyc.services import approve_identity, open_document, reject_identity, revoke_identity
from accounts.models import User
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from paycore.sites.columns import page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin

COLOURS = {"submitted": "info", "approved": "success", "rejected": "warning", "revoked": "danger"}


class ReasonForm(ConfirmForm):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_("The person reads it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


@admin.register(KycCase, site=ops_site)
class KycCaseAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("id", "state", "person", "document_type", "country", "sent")
    list_select_related = ("user",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("document_type", ChoicesDropdownFilter),
        ("created_at", MadeBetweenFilter),
    )
    list_filter_submit = True
    search_fields = ("=id", "=user__id")
    search_help_text = _("Id of a check or of a user")
    ordering = (Case(When(status="submitted", then=0), default=1), "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), "person", ("document_type", "country"), "document_number", "sent")}),
        (_("Decision"), {"fields": (("reviewed_by", "reviewed_at"), "reason", "next_attempt_at")}),
    )
    actions_detail = ("approve", "reject", "revoke")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, case: KycCase) -> SafeString:
        label: SafeString = display_for_label((case.status, case.get_status_display()), "–", COLOURS)
        return label

    @display(description=_("Person"))  # type: ignore[untyped-decorator]
    def person(self, case: KycCase) -> SafeString:
        return page_link("ops", "accounts_user", case.user_id, text=short_name_of(case.user))

    @admin.display(description=_("Sent at"), ordering="id")
    def sent(self, case: KycCase) -> SafeString | str:
        return moment(case.created_at)

    @display(description=_("Document number"))  # type: ignore[untyped-decorator]
    def document_number(self, case: KycCase) -> str:
        return case.number or "–"

    def get_fieldsets(self, request: HttpRequest, obj: KycCase | None = None) -> Any:
        """The number is for those who decide, as the files are."""
        if self.has_review_permission(request):
            return self.fieldsets
        return [
            (title, {"fields": [name for name in part["fields"] if name != "document_number"]})
            for title, part in self.fieldsets
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Lists do not show the number, so they do not open it either.
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("number")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.show_document)
        urls: list[URLPattern] = super().get_urls()
        return [path("document/<str:document_id>/", view, name="accounts_kyccase_document"), *urls]

    def show_document(self, request: HttpRequest, document_id: str) -> HttpResponse:
        """The file itself, in a page that can run nothing; that it was seen is kept."""
        if not self.has_review_permission(request):
            return HttpResponse(status=403)
        try:
            document = open_document(document_id, viewer=User.objects.get(pk=request.user.pk))
        except PaycoreError as refusal:
            return HttpResponse(str(refusal.title), status=refusal.http_status, content_type="text/plain")
        response = HttpResponse(document.content, content_type=document.content_type)
        kind = "inline" if document.content_type.startswith("image/") else "attachment"
        extension = document.content_type.rpartition("/")[2]
        response["Content-Disposition"] = f'{kind}; filename="{document.id}.{extension}"'
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["Cache-Control"] = "no-store"
        return response

    def panels(self, request: HttpRequest, row: KycCase) -> Sequence[Panel]:
        found = [_looks_panel(row)]
        if self.has_review_permission(request):
            found = [_documents_panel(row), _duplicates_panel(row), *found]
        return found

    def fitting_actions(self, row: KycCase) -> Collection[str]:
        deeds = {"submitted": ("approve", "reject"), "approved": ("revoke",)}
        return deeds.get(row.status, ())

    def has_review_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.change_kyccase"))

    @asks_first(
        title=_("Approve"),
        text=_("The person is known by this document from now on: identity level 2."),
        submit=_("Approve"),
        permission="review",
        icon="check",
        variant=ActionVariant.PRIMARY,
    )
    def approve(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        case, reviewer = self.require_row(request, object_id), _reviewer(request)
        return self.carry_out(
            request,
            case,
            lambda: approve_identity(case.id, reviewer=reviewer, now=database_now()),
            done=lambda _: gettext("The identity is verified."),
        )

    @asks_first(
        title=_("Reject"),
        text=_("The person hears the reason and may send another document."),
        submit=_("Reject"),
        permission="review",
        icon="close",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def reject(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        case, reviewer = self.require_row(request, object_id), _reviewer(request)
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            case,
            lambda: reject_identity(case.id, reviewer=reviewer, reason=reason, now=database_now()),
            done=lambda _: gettext("The document is rejected."),
        )

    @asks_first(
        title=_("Take the approval back"),
        text=_("The person's identity level falls back; they hear the reason."),
        submit=_("Take back"),
        permission="review",
        icon="undo",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def revoke(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        case, reviewer = self.require_row(request, object_id), _reviewer(request)
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            case,
            lambda: revoke_identity(case.id, reviewer=reviewer, reason=reason, now=database_now()),
            done=lambda _: gettext("The approval is taken back."),
        )


@admin.register(KycDocumentView, site=ops_site)
class KycDocumentViewAdmin(ReadOnlyAdmin):
    list_display = ("viewed_at", "viewer_id", "case", "document_id")
    list_filter = (("viewed_at", admin.DateFieldListFilter),)
    search_fields = ("=case__id", "=case__user__id", "=viewer__id", "=document_id")
    search_help_text = _("Id of a check, a document, the person or who looked")
    ordering = ("-id",)


def waiting_checks(request: HttpRequest) -> Dashboard:
    """How many people wait to be known."""
    if not request.user.has_perm("accounts.view_kyccase"):
        return Dashboard()
    waiting = KycCase.objects.filter(status=KycCase.Status.SUBMITTED).count()
    link = reverse("ops:accounts_kyccase_changelist") + "?status__exact=submitted"
    card = Card(title=_("Identity checks"), value=str(waiting), detail=_("waiting for review"), link=link)
    return Dashboard(cards=[card])


register_dashboard(ops_site, waiting_checks, place=60)


def _reviewer(request: HttpRequest) -> User:
    return User.objects.get(pk=request.user.pk)


def _documents_panel(case: KycCase) -> Panel:
    rows = [
        (
            format_html(
                '<a class="paycore-link" href="{}" target="_blank" rel="noopener">{}</a>',
                reverse("ops:accounts_kyccase_document", args=[document.id]),
                gettext("Look at it"),
            ),
            document.content_type,
            f"{document.size_bytes:,}",
        )
        for document in case.documents.defer("content").order_by("id")
    ]
    return Panel(
        title=_("Files"),
        note=_("Every look is written down."),
        headers=(_("File"), _("Type"), _("Bytes")),
        rows=rows,
        numbers={2},
        empty=_("The files were deleted."),
    )


def _duplicates_panel(case: KycCase) -> Panel:
    """The same document at another account."""
    others = KycCase.objects.none()
    if case.number_index is not None:
        others = KycCase.objects.filter(number_index=case.number_index).exclude(user_id=case.user_id)
    rows = [
        (
            page_link("ops", "accounts_kyccase", other.id),
            page_link("ops", "accounts_user", other.user_id),
            other.get_status_display(),
            moment(other.created_at),
        )
        for other in others.defer("number").order_by("-id")[:20]
    ]
    return Panel(
        title=_("The same document number at other accounts"),
        headers=(_("Check"), _("User"), _("Status"), _("Sent at")),
        rows=rows,
        empty=_("None"),
    )


def _looks_panel(case: KycCase) -> Panel:
    rows = [
        (moment(view.viewed_at), page_link("ops", "accounts_user", view.viewer_id), view.document_id)
        for view in case.views.order_by("-id")[:50]
    ]
    return Panel(title=_("Who looked"), headers=(_("When"), _("Who"), _("File")), rows=rows)
