"""`/api/v1/subscriptions/{id}/price-change`: see it, agree or refuse."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.price_changes.answering import agree, refuse, waiting_move
from memberships.price_changes.presentation import present_move
from memberships.price_changes.serializers import PriceChangeSerializer
from merchants.permissions import IsAppUser
from paycore.clock import database_now

_EXAMPLE = OpenApiExample(
    "A rise",
    response_only=True,
    value={
        "id": "pmv_01kaf5m7z8x9c0v1b2n3m4a5s6",
        "object": "price_change",
        "subscription": "sub_01kaf5m7z8x9c0v1b2n3m4a5s6",
        "status": "waiting",
        "kind": "notice",
        "if_unanswered": "new_price",
        "currency": "USD",
        "old_amount_minor": 1999,
        "new_amount_minor": 2299,
        "old_price": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6",
        "new_price": "pri_01kb0q2w4e6r8t0y1u3i5o7p9a",
        "answer_by": "2026-12-22T10:00:00Z",
        "may_apply_from": "2026-12-22T10:00:00Z",
        "first_charged_at": "2027-01-03T09:30:00Z",
        "subscription_ends": False,
    },
)


class _OwnPriceChangeView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    def _shown(self, request: Request, subscription_id: str) -> Response:
        move = waiting_move(subscription_id, user_id=signed_in_user(request).id)
        return Response(present_move(move))

    def _answered(self, request: Request, subscription_id: str, deed: Any) -> Response:
        user_id = signed_in_user(request).id
        with transaction.atomic():
            deed(subscription_id, user_id=user_id, now=database_now(subject=user_id))
            return self._shown(request, subscription_id)


class PriceChangeView(_OwnPriceChangeView):
    @extend_schema(
        operation_id="price_changes_show",
        tags=["Memberships"],
        summary="The price change that waits for my answer",
        responses=PriceChangeSerializer,
        examples=[_EXAMPLE],
    )
    def get(self, request: Request, subscription_id: str) -> Response:
        return self._shown(request, subscription_id)


class PriceChangeAgreeView(_OwnPriceChangeView):
    """Safe to repeat."""

    @extend_schema(
        operation_id="price_changes_agree",
        tags=["Memberships"],
        summary="Agree to the new price",
        request=None,
        responses=PriceChangeSerializer,
        examples=[_EXAMPLE],
    )
    def post(self, request: Request, subscription_id: str) -> Response:
        return self._answered(request, subscription_id, agree)


class PriceChangeRefuseView(_OwnPriceChangeView):
    """Safe to repeat."""

    @extend_schema(
        operation_id="price_changes_refuse",
        tags=["Memberships"],
        summary="Refuse the new price",
        description="Where consent was asked for the old price stays; after a notice it ends with its time.",
        request=None,
        responses=PriceChangeSerializer,
        examples=[_EXAMPLE],
    )
    def post(self, request: Request, subscription_id: str) -> Response:
        return self._answered(request, subscription_id, refuse)
