"""`/api/v1/wallet`: the signed-in user's own. Top-ups make an order: :mod:`payments.checkout.top_ups`."""

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.stepup import require_recent_sign_in
from merchants.permissions import IsAppUser
from paycore.api import IdempotentView, stored
from paycore.fields import CurrencyField, MinorUnitsField, StrictCharField, StrictSerializer
from paycore.idempotency import StoredResponse
from paycore.money import Money
from paycore.pagination import page_of, page_response
from payments.wallet.presentation import (
    WalletListSerializer,
    WalletOperationSerializer,
    WalletWithdrawalSerializer,
    present_operation,
    present_wallet,
    present_withdrawal,
)
from payments.wallet.queries import get_withdrawal, holdings_of, operations_of, withdrawals_of
from payments.wallet.services import WithdrawalDraft, request_withdrawal

CURRENCY_FILTER = OpenApiParameter("currency", str, description="Only of the wallet in this currency.")
MAX_AMOUNT_MINOR = 10**12

_WALLET = {
    "id": "wal_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "wallet",
    "currency": "EUR",
    "status": "active",
    "spendable_minor": 4200,
    "held_minor": 0,
    "withdrawing_minor": 1000,
}
_OPERATION = {
    "id": "wop_01kaf5n8xw4q2m7r9t3v6y8z0b",
    "object": "wallet_operation",
    "kind": "pay",
    "currency": "EUR",
    "amount_minor": 1899,
    "change_minor": -1899,
    "balance_after_minor": 4200,
    "reference": "pay_01kaf5n1aa0b1c2d3e4f5g6h7j",
    "created_at": "2026-11-21T09:30:00Z",
}
_WITHDRAWAL = {
    "id": "wdr_01kaf5p2c3d4e5f6g7h8j9k0m1",
    "object": "wallet_withdrawal",
    "status": "in_review",
    "currency": "EUR",
    "amount_minor": 1000,
    "bank_account": "DE89…3000",
    "reason": "",
    "created_at": "2026-11-21T09:30:00Z",
    "ended_at": None,
}


class WithdrawalRequestSerializer(StrictSerializer):
    amount_minor = MinorUnitsField(max_value=MAX_AMOUNT_MINOR)
    currency = CurrencyField()
    iban = StrictCharField(max_length=42, help_text=_("Of an account of the user's own; spaces may be left in."))
    holder = StrictCharField(max_length=70, help_text=_("The account holder's name, as the bank knows it."))


class WalletView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="wallet_show",
        tags=["Wallet"],
        summary="Show what is in my wallets, one a currency",
        responses=WalletListSerializer,
        examples=[OpenApiExample("A wallet", value={"data": [_WALLET]}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        return Response({"data": [present_wallet(found) for found in holdings_of(signed_in_user(request).pk)]})


class WalletOperationListView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]
    keyset_ordering = ("-created_at", "-id")

    @extend_schema(
        operation_id="wallet_operations_list",
        tags=["Wallet"],
        summary="List what happened to my wallets, newest first",
        parameters=[
            CURRENCY_FILTER,
            OpenApiParameter("kind", str, description="Only of this kind."),
            OpenApiParameter("reference", str, description="Only about this payment, refund, top-up or withdrawal."),
        ],
        responses=page_of(WalletOperationSerializer),
        examples=[OpenApiExample("A payment", value=_OPERATION, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        rows = operations_of(signed_in_user(request).pk)
        for name in ("currency", "kind", "reference"):
            if wanted := request.query_params.get(name):
                rows = rows.filter(**{name: wanted})
        return page_response(request, rows, view=self, present=present_operation)


class WithdrawalListView(IdempotentView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]
    route = "POST /wallet/withdrawals"

    @extend_schema(
        operation_id="wallet_withdrawals_list",
        tags=["Wallet"],
        summary="List my withdrawals, newest first",
        parameters=[CURRENCY_FILTER],
        responses=page_of(WalletWithdrawalSerializer),
        examples=[OpenApiExample("In review", value=_WITHDRAWAL, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        rows = withdrawals_of(signed_in_user(request).pk)
        if currency := request.query_params.get("currency"):
            rows = rows.filter(currency=currency)
        return page_response(request, rows, view=self, present=present_withdrawal)

    @extend_schema(
        operation_id="wallet_withdrawals_create",
        tags=["Wallet"],
        summary="Ask for money from my wallet at my bank",
        description="Wants a recent sign-in and a verified phone. The amount is set aside at once; people look at it.",
        request=WithdrawalRequestSerializer,
        responses={201: WalletWithdrawalSerializer},
        examples=[
            OpenApiExample(
                "Ten euros",
                request_only=True,
                value={
                    "amount_minor": 1000,
                    "currency": "EUR",
                    "iban": "DE89 3704 0044 0532 0130 00",
                    "holder": "Ada Lovelace",
                },
            ),
            OpenApiExample("In review", value=_WITHDRAWAL, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        require_recent_sign_in(request)
        data = WithdrawalRequestSerializer.check(request.data)
        draft = WithdrawalDraft(
            user_id=user.pk,
            amount=Money(data["amount_minor"], data["currency"]),
            iban=data["iban"],
            holder=data["holder"].strip(),
        )

        def work() -> StoredResponse:
            return stored(201, present_withdrawal(request_withdrawal(draft)))

        return self.run(request, caller=user.pk, work=work)


class WithdrawalView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="wallet_withdrawals_show",
        tags=["Wallet"],
        summary="Show one of my withdrawals",
        responses=WalletWithdrawalSerializer,
        examples=[OpenApiExample("In review", value=_WITHDRAWAL, response_only=True)],
    )
    def get(self, request: Request, withdrawal_id: str) -> Response:
        return Response(present_withdrawal(get_withdrawal(signed_in_user(request).pk, withdrawal_id)))
