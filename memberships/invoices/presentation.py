"""Invoices and credit notes as the API shows them."""

from typing import Any

from rest_framework import serializers

from memberships.models import CreditNote, Invoice


class InvoiceLineSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="`plan`, `seats`, `setup`, `gift`, `credit` or `discount`.")
    description = serializers.CharField()
    quantity = serializers.IntegerField()
    amount_minor = serializers.IntegerField(help_text="As priced; negative for credits and discounts.")
    discount_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    net_minor = serializers.IntegerField(help_text="After discounts, without tax.")
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    plan = serializers.CharField(allow_null=True)
    price = serializers.CharField(allow_null=True)


class InvoiceTaxSerializer(serializers.Serializer[Any]):
    country = serializers.CharField()
    name = serializers.CharField()
    rate_basis_points = serializers.IntegerField()
    is_inclusive = serializers.BooleanField(help_text="Whether the lines' amounts contain it.")
    base_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()


class InvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.CharField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=Invoice.Status.choices)
    kind = serializers.ChoiceField(choices=Invoice.Kind.choices)
    subscription = serializers.CharField(allow_null=True)
    order = serializers.CharField(allow_null=True, help_text="What asks for the money; null when nothing was due.")
    currency = serializers.CharField()
    subtotal_minor = serializers.IntegerField()
    discount_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField(help_text="subtotal - discount + tax")
    credit_minor = serializers.IntegerField(help_text="What the member's credit paid of the total.")
    due_minor = serializers.IntegerField(help_text="total - credit")
    lines = InvoiceLineSerializer(many=True)
    taxes = InvoiceTaxSerializer(many=True)
    country = serializers.CharField(allow_null=True)
    issued_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)


class CreditNoteSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.CharField()
    number = serializers.CharField()
    invoice = serializers.CharField()
    because_of = serializers.ChoiceField(choices=CreditNote.Source.choices)
    reference = serializers.CharField(help_text="The refund or dispute.")
    currency = serializers.CharField()
    total_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField(help_text="The tax in the total.")
    credit_minor = serializers.IntegerField(
        help_text="Of the total, what is the member's credit again; the rest went back to where it was paid from."
    )
    issued_at = serializers.DateTimeField()
    voided_at = serializers.DateTimeField(
        allow_null=True, help_text="Since then it takes nothing back: its dispute was won after all."
    )


def present_invoice(invoice: Invoice) -> dict[str, Any]:
    """Amounts in minor units, times ISO 8601 in UTC."""
    return {
        "id": invoice.id,
        "object": "invoice",
        "number": invoice.number,
        "status": str(invoice.status),
        "kind": str(invoice.kind),
        "subscription": invoice.subscription_id,
        "order": invoice.order_id,
        "currency": invoice.currency,
        "subtotal_minor": invoice.subtotal_minor,
        "discount_minor": invoice.discount_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
        "credit_minor": invoice.credit_minor,
        "due_minor": invoice.due_minor,
        "lines": present_lines(invoice.lines),
        "taxes": invoice.taxes,
        "country": invoice.country or None,
        "issued_at": _iso(invoice.issued_at),
        "paid_at": _iso(invoice.paid_at),
    }


def present_lines(lines: Any) -> list[dict[str, Any]]:
    """Rows of a draft or invoice."""
    return [
        {
            **{name: line[name] for name in _PLAIN},
            "starts_at": _utc(line["starts_at"]),
            "ends_at": _utc(line["ends_at"]),
            "plan": line["plan"] or None,
            "price": line["price"] or None,
        }
        for line in lines
    ]


def present_credit_note(note: CreditNote) -> dict[str, Any]:
    return {
        "id": note.id,
        "object": "credit_note",
        "number": note.number,
        "invoice": note.invoice_id,
        "because_of": str(note.source),
        "reference": note.source_id,
        "currency": note.currency,
        "total_minor": note.total_minor,
        "tax_minor": note.tax_minor,
        "credit_minor": note.credit_minor,
        "issued_at": _iso(note.issued_at),
        "voided_at": _iso(note.voided_at),
    }


_PLAIN = ("kind", "description", "quantity", "amount_minor", "discount_minor", "tax_minor", "net_minor")


def _utc(text: str | None) -> str | None:
    return text.replace("+00:00", "Z") if text else None


def _iso(moment: Any) -> str | None:
    return _utc(moment.isoformat()) if moment else None
