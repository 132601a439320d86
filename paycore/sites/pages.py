"""Pages that show a row and offer deeds: tables below the facts, actions that fit the row's state, plain refusals."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from paycore.errors import PaycoreError
from paycore.sites.dialogs import go_to

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

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


class FactsPage(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """``panels`` are shown below the facts; of ``actions_detail`` those that ``fitting_actions`` names are offered."""

    change_form_outer_after_template = "admin/panels.html"
    expected_errors: ClassVar[tuple[type[Exception], ...]] = (PaycoreError,)

    class Media:
        css = {"all": ("paycore/brand/panels.css",)}

    def panels(self, request: HttpRequest, row: Any) -> Sequence[Panel]:
        return ()

    def fitting_actions(self, row: Any) -> Collection[str]:
        """Names of the actions that make sense in the row's present state; the services refuse the others anyway."""
        return ()

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
        except self.expected_errors as refusal:
            self.message_user(request, self.refusal_text(refusal), messages.ERROR)
        else:
            text = str(done(result))
            self.log_change(request, row, text)
            self.message_user(request, text, messages.SUCCESS)
        return go_to(request, self.page_address(row))

    def refusal_text(self, refusal: Exception) -> str:
        return f"{getattr(refusal, 'title', '')} {getattr(refusal, 'detail', '')}".strip()

    def page_address(self, row: Model) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[quote(row.pk)])

    def list_address(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")


def moment(value: datetime | None) -> SafeString | str:
    """To the second, for the order of things matters here; never broken over two lines."""
    if value is None:
        return "–"
    return format_html('<span class="paycore-nowrap">{}</span>', localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z"))
