"""`/api/v1/checkout-sessions`: a hosted page for an open order."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from paycore.api import IdempotentView, stored
from paycore.errors import NotFound
from paycore.fields import StrictBooleanField, StrictCharField, StrictSerializer, WebAddressField
from paycore.idempotency import StoredResponse
from payments.checkout.app_links import AppAddressField
from payments.checkout.models import CheckoutSession
from payments.checkout.offers import eligible_methods
from payments.checkout.payers import issue_payer_token
from payments.checkout.services import (
    SessionDraft,
    create_session,
    get_session,
    session_state,
    session_url,
    takes_codes,
)
from payments.methods.serializers import PayerCountryField
from payments.orders.callers import actor_of, viewer_of
from payments.orders.discounts import Customer
from payments.orders.queries import Viewer, get_order, orders_of
from payments.orders.serializers import CustomerSerializer


class CheckoutSessionRequestSerializer(StrictSerializer):
    order = StrictCharField(max_length=40)
    success_url = WebAddressField(
        max_length=500, required=False, default="", help_text=_("Where the payer goes when the order is paid.")
    )
    cancel_url = WebAddressField(max_length=500, required=False, default="")
    app_return_url = AppAddressField(
        max_length=500,
        required=False,
        default="",
        help_text=_("Opens your app when the payer is done: a universal link (https) or your own scheme."),
    )
    country = PayerCountryField(
        max_length=2, required=False, default="", help_text=_("The payer's: ISO 3166-1, two letters.")
    )
    wechat_openid = StrictCharField(
        max_length=128, required=False, default="", help_text=_("Who the payer is in WeChat, to pay inside it.")
    )
    allow_promotion_codes = StrictBooleanField(
        default=False,
        help_text=_(
            "The page has a field for a promotion code, when the order was created by your server without one. Whoever "
            "has the link may use it."
        ),
    )
    customer = CustomerSerializer(required=False)


class CheckoutSessionSerializer(serializers.Serializer[CheckoutSession]):
    """Shape of a session in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["checkout_session"])
    order = serializers.CharField()
    url = serializers.URLField(help_text=_("Send the payer here."))
    methods = serializers.ListField(child=serializers.CharField())
    phase = serializers.ChoiceField(
        choices=["choose", "action", "review", "waiting", "paid", "failed", "canceled", "expired"]
    )
    allow_promotion_codes = serializers.BooleanField(help_text=_("Whether a code can be added on the page."))
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


def present_session(session: CheckoutSession, *, payer_token: str = "") -> dict[str, Any]:
    state = session_state(session)
    methods = eligible_methods(session.order, country=session.country)
    return {
        "id": session.id,
        "object": "checkout_session",
        "order": session.order_id,
        "url": session_url(session, payer_token=payer_token),
        "methods": methods,
        "phase": state.phase,
        "allow_promotion_codes": takes_codes(session),
        "expires_at": session.order.expires_at,
        "created_at": session.created_at,
    }


_REQUEST = OpenApiExample(
    "For an order",
    request_only=True,
    value={"order": "ord_01kaf5n8xw4q2m7r9t3v6y8z0b", "success_url": "https://shop.example/thanks"},
)


class CheckoutSessionListView(IdempotentView):
    route = "POST /checkout-sessions"

    @extend_schema(
        operation_id="checkout_sessions_create",
        tags=["Checkout"],
        summary="Open a hosted payment page for an order",
        description=(
            "For the signed-in payer the address holds a token that is good once, for ten minutes: in the browser that "
            "opens it first the page offers what the payer saved. Do not pass it on."
        ),
        request=CheckoutSessionRequestSerializer,
        responses={201: CheckoutSessionSerializer},
        examples=[_REQUEST],
    )
    def post(self, request: Request) -> HttpResponse:
        viewer = viewer_of(request)
        data = CheckoutSessionRequestSerializer.check(request.data)

        def work() -> StoredResponse:
            order = get_order(viewer, data["order"])
            session = create_session(order, _draft(data, viewer=viewer, by=actor_of(request)))
            token = issue_payer_token(session) if viewer.user_id else ""
            session.refresh_from_db()
            return stored(201, present_session(session, payer_token=token))

        return self.run(request, caller=viewer.id, work=work)


def _draft(data: dict[str, Any], *, viewer: Viewer, by: str) -> SessionDraft:
    """Codes, and who the customer is, are the merchant's to say."""
    customer = Customer(**data["customer"]) if "customer" in data and viewer.merchant_id else None
    return SessionDraft(
        success_url=data["success_url"],
        cancel_url=data["cancel_url"],
        app_return_url=data["app_return_url"],
        country=data["country"],
        wechat_openid=data["wechat_openid"],
        allows_codes=data["allow_promotion_codes"] and bool(viewer.merchant_id),
        customer=customer,
        created_by=by,
    )


class CheckoutSessionView(APIView):
    @extend_schema(
        operation_id="checkout_sessions_show",
        tags=["Checkout"],
        summary="Show a session and how far the payer is",
        responses=CheckoutSessionSerializer,
    )
    def get(self, request: Request, session_id: str) -> Response:
        session = get_session(session_id)
        if not orders_of(viewer_of(request)).filter(id=session.order_id).exists():
            raise NotFound
        return Response(present_session(session))
