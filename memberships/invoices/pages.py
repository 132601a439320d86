"""Receipts for people with a browser and the address from their mail, and files for whoever may have them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from memberships.invoices.documents import PrintedDocument, print_credit_note, print_invoice
from memberships.invoices.links import document_of
from memberships.invoices.pdf import render_pdf
from memberships.invoices.queries import get_credit_note, get_invoice
from paycore.errors import NotFound
from payments.checkout.languages import with_language_choice


@cache_control(private=True, no_cache=True)
@with_language_choice
@require_safe
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    """In the document's own language, whatever the browser's."""
    try:
        document = _document(token)
    except NotFound:
        return render(request, "memberships/receipt_missing.html", status=404)
    with translation.override(document.language):
        context = {"document": document, "pdf_url": reverse("receipt-pdf", args=[token])}
        return render(request, "memberships/receipt.html", context)


@require_safe
def receipt_pdf(request: HttpRequest, token: str) -> HttpResponse:
    try:
        return pdf_response(_document(token))
    except NotFound:
        return render(request, "memberships/receipt_missing.html", status=404)


def pdf_response(document: PrintedDocument) -> HttpResponse:
    """To be saved under its number; only the browser that asked may keep it."""
    response = HttpResponse(render_pdf(document), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.number}.pdf"'
    response["Cache-Control"] = "private, no-cache"
    return response


def _document(token: str) -> PrintedDocument:
    document_id = document_of(token)
    if document_id.startswith("crn_"):
        return print_credit_note(get_credit_note(document_id))
    return print_invoice(get_invoice(document_id))
