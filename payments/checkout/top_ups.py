"""`/api/v1/wallet/top-ups`: money into the user's own wallet, by any method but the wallet itself."""

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from merchants.permissions import IsAppUser
from merchants.queries import platform_merchant
from paycore.api import IdempotentView, stored
from paycore.fields import CurrencyField, MinorUnitsField, StrictSerializer
from paycore.idempotency import StoredResponse
from paycore.money import Money
from paycore.pagination import page_of, page_response
from payments.orders.services import OrderDraft, OrderLine, create_order
from payments.wallet.models import WalletTopUp
from payments.wallet.presentation import WalletTopUpSerializer, present_top_up
from payments.wallet.queries import get_top_up, top_ups_of
from payments.wallet.services import admit_top_up, note_top_up
from payments.wallet.views import CURRENCY_FILTER, MAX_AMOUNT_MINOR

_TOP_UP = {
    "id": "wtu_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "wallet_top_up",
    "status": "waiting",
    "order": "ord_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "currency": "EUR",
    "amount_minor": 5000,
    "created_at": "2026-11-21T09:30:00Z",
    "credited_at": None,
}


class TopUpRequestSerializer(StrictSerializer):
    amount_minor = MinorUnitsField(max_value=MAX_AMOUNT_MINOR)
    currency = CurrencyField()


def start_top_up(user_id: str, amount: Money) -> WalletTopUp:
    """An open order of the platform's, and what it is for. Refusals as :func:`payments.wallet.services.admit_top_up`;
    NoPlatformMerchant."""
    with transaction.atomic():
        wallet = admit_top_up(user_id=user_id, amount=amount)
        words = gettext("Wallet top-up")
        order = create_order(
            OrderDraft(
                merchant_id=platform_merchant().id,
                amount=amount,
                description=words,
                user_id=user_id,
                lines=[OrderLine(words, amount.minor, reference="wallet_top_up")],
            )
        )
        top_up = note_top_up(wallet, order_id=order.id, amount=amount)
    top_up.refresh_from_db(fields=["created_at"])
    return top_up


class TopUpListView(IdempotentView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]
    route = "POST /wallet/top-ups"

    @extend_schema(
        operation_id="wallet_top_ups_list",
        tags=["Wallet"],
        summary="List my top-ups, newest first",
        parameters=[CURRENCY_FILTER],
        responses=page_of(WalletTopUpSerializer),
        examples=[OpenApiExample("Not paid yet", value=_TOP_UP, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        rows = top_ups_of(signed_in_user(request).pk)
        if currency := request.query_params.get("currency"):
            rows = rows.filter(currency=currency)
        return page_response(request, rows, view=self, present=present_top_up)

    @extend_schema(
        operation_id="wallet_top_ups_create",
        tags=["Wallet"],
        summary="Put money into my wallet: answers an order to pay with /payments or /checkout-sessions",
        request=TopUpRequestSerializer,
        responses={201: WalletTopUpSerializer},
        examples=[
            OpenApiExample("Fifty euros", request_only=True, value={"amount_minor": 5000, "currency": "EUR"}),
            OpenApiExample("Not paid yet", value=_TOP_UP, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        data = TopUpRequestSerializer.check(request.data)
        amount = Money(data["amount_minor"], data["currency"])

        def work() -> StoredResponse:
            return stored(201, present_top_up(start_top_up(user.pk, amount)))

        return self.run(request, caller=user.pk, work=work)


class TopUpView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="wallet_top_ups_show",
        tags=["Wallet"],
        summary="Show one of my top-ups",
        responses=WalletTopUpSerializer,
        examples=[OpenApiExample("Not paid yet", value=_TOP_UP, response_only=True)],
    )
    def get(self, request: Request, top_up_id: str) -> Response:
        return Response(present_top_up(get_top_up(signed_in_user(request).pk, top_up_id)))
