"""A link to pay, made by a person in the console: an order, its hosted page, and a QR code of the address."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import segno
from django import forms
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from merchants.console import FINANCE, MerchantScopedAdmin, may_act, require_membership
from merchants.models import Merchant
from paycore.api import stored
from paycore.errors import PaycoreError
from paycore.idempotency import StoredResponse, read_key, run_atomically
from paycore.identifiers import new_id
from paycore.money import CURRENCIES, InvalidAmount, Money
from payments.admin.columns import moment, money
from payments.admin.pages import MoneyPage
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session, session_url
from payments.orders.models import Order
from payments.orders.serializers import MAX_AMOUNT_MINOR
from payments.orders.services import OrderDraft, OrderLine, create_order


class PaymentLinkForm(forms.Form):
    """``nonce`` makes a form that was sent twice one link."""

    description = forms.CharField(label=_("What is paid for"), max_length=200, widget=UnfoldAdminTextInputWidget)
    major = forms.CharField(
        label=_("Amount"),
        max_length=24,
        help_text=_("As people write it, e.g. 12.34."),
        widget=UnfoldAdminTextInputWidget,
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        widget=UnfoldAdminSelectWidget,
    )
    merchant_order_number = forms.CharField(
        label=_("Your order number"),
        max_length=64,
        required=False,
        help_text=_("Unique for ever. Empty: one is made."),
        widget=UnfoldAdminTextInputWidget,
    )
    valid_hours = forms.IntegerField(
        label=_("Valid for (hours)"),
        min_value=1,
        max_value=24 * 30,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    allow_promotion_codes = forms.BooleanField(
        label=_("Takes a promotion code"),
        required=False,
        help_text=_("Whoever has the link may lower the amount by one of your codes."),
        widget=UnfoldBooleanWidget,
    )
    nonce = forms.CharField(max_length=60, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "major" in cleaned and "currency" in cleaned:
            try:
                amount = Money.from_major(cleaned["major"].strip(), cleaned["currency"])
            except InvalidAmount as error:
                self.add_error("major", forms.ValidationError(error.detail or error.title))
            else:
                cleaned["amount"] = amount
                if not 0 < amount.minor <= MAX_AMOUNT_MINOR:
                    self.add_error("major", _("The amount must be more than nothing and not absurdly large."))
        return cleaned


def create_payment_link(form: dict[str, Any], *, merchant: Merchant, user_id: str) -> str:
    """An order and a session for it, once for each nonce; the session's id. OrderNumberTaken."""

    def work() -> StoredResponse:
        amount: Money = form["amount"]
        order = create_order(
            OrderDraft(
                merchant_id=merchant.id,
                amount=amount,
                description=form["description"],
                merchant_order_number=form["merchant_order_number"].strip(),
                lines=[OrderLine(form["description"], amount.minor)],
                lifetime_seconds=int(timedelta(hours=form["valid_hours"]).total_seconds()),
                takes_codes=True,
            )
        )
        draft = SessionDraft(created_by=user_id, allows_codes=form["allow_promotion_codes"])
        session = create_session(order, draft)
        return stored(201, {"session": session.id})

    # The same form sent twice is one link; sent again with another amount, after going back, it is another.
    details = json.dumps({name: str(value) for name, value in form.items()}, sort_keys=True)
    once = hashlib.sha256(details.encode()).hexdigest()
    key = read_key(header=once, caller=f"{merchant.id} {user_id}", route="console payment link", body=None)
    session_id: str = json.loads(run_atomically(key, work).body)["session"]
    return session_id


class PaymentLinks(MoneyPage, MerchantScopedAdmin):
    """The list of orders offers a new link; an open order offers another link to itself."""

    actions_list = ("new_payment_link",)
    actions_detail = ("link_to_pay",)

    def has_link_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, FINANCE)

    def fitting_actions(self, row: Order) -> tuple[str, ...]:
        return ("link_to_pay",) if row.status == Order.Status.OPEN else ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.payment_link_view)
        own = [path("<path:object_id>/link/<str:session_id>/", view, name="payments_order_link")]
        return [*own, *super().get_urls()]

    @action(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("New payment link"), permissions=["link"], icon="add_link", variant=ActionVariant.PRIMARY
    )
    def new_payment_link(self, request: HttpRequest) -> HttpResponse:
        merchant = require_membership(request).merchant
        initial = {"nonce": new_id("link"), "currency": merchant.home_currency, "valid_hours": 24}
        form = PaymentLinkForm(request.POST if request.method == "POST" else None, initial=initial)
        if form.is_valid():
            try:
                session_id = create_payment_link(form.cleaned_data, merchant=merchant, user_id=str(request.user.pk))
            except PaycoreError as refusal:
                form.add_error(None, self.refusal_text(refusal))
            else:
                return HttpResponseRedirect(self._link_address(CheckoutSession.objects.get(id=session_id)))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("New payment link"),
            "opts": self.opts,
            "form": form,
            "text": gettext("Whoever has the link can pay this one order, once."),
            "button": gettext("Make the link"),
            "back": self.list_address(),
        }
        return TemplateResponse(request, "merchants/form_page.html", context)

    @action(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Link to pay"), permissions=["link"], icon="link"
    )
    def link_to_pay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The newest link of an open order that a person made here; a GET makes none."""
        order = self.require_row(request, object_id)
        session = order.checkout_sessions.order_by("-id").first()
        if session is None and request.method == "POST":
            session = create_session(order, SessionDraft(created_by=str(request.user.pk)))
        if session is not None:
            return HttpResponseRedirect(self._link_address(session))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Link to pay"),
            "opts": self.opts,
            "form": forms.Form(),
            "text": gettext("Whoever has the link can pay this one order, once."),
            "button": gettext("Make the link"),
            "back": self.page_address(order),
        }
        return TemplateResponse(request, "merchants/form_page.html", context)

    def payment_link_view(self, request: HttpRequest, object_id: str, session_id: str) -> HttpResponse:
        order = self.get_object(request, unquote(object_id))
        session = order.checkout_sessions.filter(id=session_id).first() if order else None
        if session is None or not self.has_link_permission(request):
            raise Http404
        address = session_url(session)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Payment link"),
            "opts": self.opts,
            "order": order,
            "amount": money(order.amount_minor, order.currency),
            "expires": moment(order.expires_at),
            "is_open": order.status == Order.Status.OPEN,
            "state": order.get_status_display(),
            "address": address,
            "qr_image": segno.make(address, error="m").svg_data_uri(scale=5, border=2, light="#fff"),
            "back": self.page_address(order),
        }
        response = TemplateResponse(request, "admin/payments/payment_link.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _link_address(self, session: CheckoutSession) -> str:
        name = f"{self.admin_site.name}:payments_order_link"
        return reverse(name, args=[quote(session.order_id), session.id])
