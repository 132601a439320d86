"""`/receipts/…`: for whoever has the address from a mail."""

from django.urls import path

from memberships.invoices.pages import receipt, receipt_pdf

urlpatterns = [
    path("<str:token>", receipt, name="receipt"),
    path("<str:token>/pdf", receipt_pdf, name="receipt-pdf"),
]
