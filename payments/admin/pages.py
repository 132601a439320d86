"""What every page about money shares: search by exact ids, tables below the facts, actions that ask first."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.paginator import InfinitePaginator

from paycore.errors import PaycoreError
from paycore.sites.dialogs import ConfirmForm, asks_first, go_to
from paycore.sites.pages import FactsPage, Panel, moment
from payments.gateways.contract import GatewayError

__all__ = ["ConfirmForm", "MoneyPage", "Panel", "asks_first", "go_to"]


class MoneyPage(FactsPage):
    """Lists without COUNT, found by ``searches``: the prefix of what was typed → the columns that must equal it."""

    searches: ClassVar[Mapping[str, Sequence[str]]] = {}
    paginator = InfinitePaginator
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    show_full_result_count = False
    expected_errors = (PaycoreError, GatewayError)

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

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def refusal_text(self, refusal: Exception) -> str:
        if isinstance(refusal, GatewayError):
            return gettext("The gateway did not do it: %(reason)s") % {"reason": refusal.code or str(refusal)}
        return super().refusal_text(refusal)
