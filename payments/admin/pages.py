"""What every page about money shares: search by exact ids, tables below the facts, actions that ask first."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator

from paycore.errors import PaycoreError
from payments.admin.columns import moment
from payments.gateways.contract import GatewayError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_NOTHING = _("Nothing yet")


@dataclass(frozen=True)
class Panel:
    """A table below the facts. ``numbers`` are the positions of columns that align right."""

    title: "StrOrPromise"
    headers: Sequence["StrOrPromise"]
    rows: Sequence[Sequence[object]]
    numbers: Collection[int] = field(default_factory=frozenset)
    empty: "StrOrPromise" = _NOTHING
    note: "StrOrPromise" = ""


class ConfirmForm(BaseDialogForm):  # type: ignore[misc]  # Unfold ships no types
    """Nothing to fill in: a posted form, with its CSRF token, is the yes."""


def asks_first(
    *,
    title: "StrOrPromise",
    text: "StrOrPromise",
    submit: "StrOrPromise",
    permission: str,
    icon: str,
    variant: ActionVariant = ActionVariant.DEFAULT,
    form: type[forms.Form] = ConfirmForm,
) -> Callable[[F], F]:
    """An action of a page: its dialog is shown on GET, only its POST does anything. ``form`` is handed to it."""
    dialog = {"title": title, "description": text, "form_submit_text": submit, "form_class": form}
    decorate = action(description=title, permissions=[permission], icon=icon, variant=variant, dialog=dialog)
    return cast("Callable[[F], F]", decorate)


class MoneyPage(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """Lists without COUNT, found by ``searches``: the prefix of what was typed → the columns that must equal it."""

    searches: ClassVar[Mapping[str, Sequence[str]]] = {}
    paginator = InfinitePaginator
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    show_full_result_count = False
    change_form_outer_after_template = "admin/payments/panels.html"

    class Media:
        css = {"all": ("payments/console.css",)}

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        return ("pk",) if self.searches else ()

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Equality only, on indexed columns: a part of an id would read the whole table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        columns = next((found for prefix, found in self.searches.items() if term.startswith(prefix)), ())
        matches = Q(pk__in=[])
        for column in columns:
            matches |= Q(**{column: term})
        return queryset.filter(matches), False

    @admin.display(description=_("Created"), ordering="pk")
    def made(self, row: Any) -> SafeString | str:
        return moment(row.created_at)

    def panels(self, request: HttpRequest, row: Any) -> Sequence[Panel]:
        return ()

    def fitting_actions(self, row: Any) -> Collection[str]:
        """Names of the actions that make sense in the row's present state; the services refuse the others anyway."""
        return ()

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        offered: list[Any] = super().get_actions_detail(request, object_id)
        row = self.get_object(request, unquote(str(object_id))) if offered else None
        fitting = self.fitting_actions(row) if row is not None else ()
        return [entry for entry in offered if entry.method.original_function_name in fitting]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        row = options.get("obj")
        context["panels"] = self.panels(request, row) if row is not None else ()
        response: HttpResponse = super().render_change_form(request, context, **options)
        return response

    def require_row(self, request: HttpRequest, object_id: str) -> Any:
        """The row that an action is about, if the visitor may see it."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def carry_out(
        self, request: HttpRequest, row: Model, operation: Callable[[], T], *, done: Callable[[T], "StrOrPromise"]
    ) -> HttpResponse:
        """Call a service, say how it ended, and show the page again. A deed is noted in the row's history."""
        try:
            result = operation()
        except PaycoreError as refusal:
            self.message_user(request, _refusal_text(refusal), messages.ERROR)
        except GatewayError as error:
            text = gettext("The gateway did not do it: %(reason)s") % {"reason": error.code or str(error)}
            self.message_user(request, text, messages.ERROR)
        else:
            text = str(done(result))
            self.log_change(request, row, text)
            self.message_user(request, text, messages.SUCCESS)
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        return go_to(request, reverse(name, args=[quote(row.pk)]))


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """A dialog's form is sent by htmx, which follows this header; without script it is an ordinary redirect."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _refusal_text(refusal: PaycoreError) -> str:
    return f"{refusal.title} {refusal.detail}".strip()
