"""Lists as CSV: what the filters and the search leave, newest first."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from paycore.money import Money
from paycore.spreadsheets import csv_response
from payments.admin.pages import MoneyPage
from payments.orders.models import Order, Payment, Refund

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_ROWS = 50_000


class ExportedPage(MoneyPage):
    """``export_headers`` and ``export_row`` say what a line of the file holds; a link above the list leads to it."""

    list_before_template = "admin/payments/export_link.html"
    export_headers: ClassVar[Sequence["StrOrPromise"]]

    def export_row(self, row: Any) -> Sequence[object]:
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = [path("export/", self.admin_site.admin_view(self.export_view), name=name)]
        return [*own, *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_changelist_instance(request).get_queryset(request)
        file_name = f"{self.opts.model_name}s.csv"
        return csv_response(file_name=file_name, headers=self.export_headers, rows=self._lines(found))

    def _lines(self, found: Any) -> Iterator[Sequence[object]]:
        rows = found[: MOST_ROWS + 1].iterator(chunk_size=1000)
        for row in islice(rows, MOST_ROWS):
            yield self.export_row(row)
        if next(rows, None) is not None:
            yield (gettext("Only the first %(most)d rows: narrow the filters for the rest.") % {"most": MOST_ROWS},)


class ExportedOrders(ExportedPage):
    export_headers = (
        _("Order"),
        _("Your order number"),
        _("Status"),
        _("Currency"),
        _("Amount"),
        _("Refunded"),
        _("Description"),
        _("Created (UTC)"),
        _("Paid (UTC)"),
    )

    def export_row(self, row: Order) -> Sequence[object]:
        return (
            row.id,
            row.merchant_order_number,
            row.get_status_display(),
            row.currency,
            row.amount.major,
            Money(row.refunded_minor, row.currency).major,
            row.description,
            row.created_at,
            row.paid_at,
        )


class ExportedPayments(ExportedPage):
    export_headers = (
        _("Payment"),
        _("Order"),
        _("Your order number"),
        _("Status"),
        _("Method"),
        _("Currency"),
        _("Amount"),
        _("Captured"),
        _("Refunded"),
        _("Failure"),
        _("Created (UTC)"),
        _("Succeeded (UTC)"),
    )

    def export_row(self, row: Payment) -> Sequence[object]:
        return (
            row.id,
            row.order_id,
            row.order.merchant_order_number,
            row.get_status_display(),
            row.method,
            row.currency,
            Money(row.amount_minor, row.currency).major,
            Money(row.captured_minor, row.currency).major,
            Money(row.refunded_minor, row.currency).major,
            row.failure_code,
            row.created_at,
            row.succeeded_at,
        )


class ExportedRefunds(ExportedPage):
    export_headers = (
        _("Refund"),
        _("Payment"),
        _("Your order number"),
        _("Status"),
        _("Currency"),
        _("Amount"),
        _("Reason"),
        _("Review note"),
        _("Requested (UTC)"),
        _("Succeeded (UTC)"),
    )

    def export_row(self, row: Refund) -> Sequence[object]:
        return (
            row.id,
            row.payment_id,
            row.payment.order.merchant_order_number,
            row.get_status_display(),
            row.currency,
            row.amount.major,
            row.reason,
            row.review_note,
            row.created_at,
            row.succeeded_at,
        )
