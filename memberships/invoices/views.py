"""`/api/v1/invoices` and `/api/v1/credit-notes`: the signed-in user's own."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.invoices.documents import print_credit_note, print_invoice
from memberships.invoices.pages import pdf_response
from memberships.invoices.presentation import (
    CreditNoteSerializer,
    InvoiceSerializer,
    present_credit_note,
    present_invoice,
)
from memberships.invoices.queries import credit_notes_of, get_credit_note, get_invoice, invoices_of
from merchants.permissions import IsAppUser
from paycore.pagination import page_of, page_response

_TAGS = ["Invoices"]
_PDF = {(200, "application/pdf"): OpenApiTypes.BINARY}

_INVOICE = {
    "id": "inv_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "object": "invoice",
    "number": "PC-2026-000123",
    "status": "paid",
    "kind": "renewal",
    "subscription": "sub_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "order": "ord_01kaf5n1aa0b1c2d3e4f5g6h7j",
    "currency": "EUR",
    "subtotal_minor": 1680,
    "discount_minor": 0,
    "tax_minor": 319,
    "total_minor": 1999,
    "credit_minor": 0,
    "due_minor": 1999,
    "lines": [
        {
            "kind": "plan",
            "description": "Premium · 1 month",
            "quantity": 1,
            "amount_minor": 1999,
            "discount_minor": 0,
            "tax_minor": 319,
            "net_minor": 1680,
            "starts_at": "2026-11-01T09:00:00Z",
            "ends_at": "2026-12-01T09:00:00Z",
            "plan": "pln_01kaf5m7z8x9c0v1b2n3m4a5s6",
            "price": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6",
        }
    ],
    "taxes": [
        {
            "country": "DE",
            "name": "VAT",
            "rate_basis_points": 1900,
            "is_inclusive": True,
            "base_minor": 1680,
            "tax_minor": 319,
        }
    ],
    "country": "DE",
    "issued_at": "2026-11-01T09:00:00Z",
    "paid_at": "2026-11-01T09:00:02Z",
}
_CREDIT_NOTE = {
    "id": "crn_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "object": "credit_note",
    "number": "PCC-2026-000004",
    "invoice": "inv_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "because_of": "refund",
    "reference": "ref_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "currency": "EUR",
    "total_minor": 1000,
    "tax_minor": 160,
    "issued_at": "2026-11-12T09:00:00Z",
}


class _OfUser(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]


class InvoiceListView(_OfUser):
    @extend_schema(
        operation_id="invoices_list",
        tags=_TAGS,
        summary="List my invoices, newest first",
        parameters=[
            OpenApiParameter("status", str, description="Only in this state."),
            OpenApiParameter("subscription", str, description="Only of this subscription."),
        ],
        responses=page_of(InvoiceSerializer),
        examples=[OpenApiExample("A renewal", value=_INVOICE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        rows = invoices_of(signed_in_user(request).pk)
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        if subscription := request.query_params.get("subscription"):
            rows = rows.filter(subscription_id=subscription)
        return page_response(request, rows, view=self, present=present_invoice)


class InvoiceView(_OfUser):
    @extend_schema(
        operation_id="invoices_show",
        tags=_TAGS,
        summary="Show one of my invoices",
        responses=InvoiceSerializer,
        examples=[OpenApiExample("A renewal", value=_INVOICE, response_only=True)],
    )
    def get(self, request: Request, invoice_id: str) -> Response:
        return Response(present_invoice(get_invoice(invoice_id, user_id=signed_in_user(request).pk)))


class InvoicePdfView(_OfUser):
    @extend_schema(
        operation_id="invoices_pdf",
        tags=_TAGS,
        summary="Download one of my invoices as PDF",
        description="In the language that the invoice was made in. The same invoice gives the same file.",
        responses=_PDF,
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        return pdf_response(print_invoice(get_invoice(invoice_id, user_id=signed_in_user(request).pk)))


class CreditNoteListView(_OfUser):
    @extend_schema(
        operation_id="credit_notes_list",
        tags=_TAGS,
        summary="List my credit notes, newest first",
        parameters=[OpenApiParameter("invoice", str, description="Only of this invoice.")],
        responses=page_of(CreditNoteSerializer),
        examples=[OpenApiExample("A partial refund", value=_CREDIT_NOTE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        rows = credit_notes_of(signed_in_user(request).pk)
        if invoice := request.query_params.get("invoice"):
            rows = rows.filter(invoice_id=invoice)
        return page_response(request, rows, view=self, present=present_credit_note)


class CreditNoteView(_OfUser):
    @extend_schema(
        operation_id="credit_notes_show",
        tags=_TAGS,
        summary="Show one of my credit notes",
        responses=CreditNoteSerializer,
        examples=[OpenApiExample("A partial refund", value=_CREDIT_NOTE, response_only=True)],
    )
    def get(self, request: Request, note_id: str) -> Response:
        return Response(present_credit_note(get_credit_note(note_id, user_id=signed_in_user(request).pk)))


class CreditNotePdfView(_OfUser):
    @extend_schema(
        operation_id="credit_notes_pdf",
        tags=_TAGS,
        summary="Download one of my credit notes as PDF",
        responses=_PDF,
    )
    def get(self, request: Request, note_id: str) -> HttpResponse:
        return pdf_response(print_credit_note(get_credit_note(note_id, user_id=signed_in_user(request).pk)))
