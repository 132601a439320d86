"""`/api/v1/gifts` and `/api/v1/redeem`."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.gifts.presentation import present_gift, present_redemption, present_to_buyer
from memberships.gifts.queries import get_gift, gifts_of
from memberships.gifts.redeeming import redeem
from memberships.gifts.serializers import (
    BuyGiftSerializer,
    GiftCodeSerializer,
    GiftSerializer,
    OwnGiftSerializer,
    RedeemSerializer,
    RedemptionSerializer,
)
from memberships.gifts.services import GiftDraft, buy_gift, replace_code
from memberships.models import Gift
from merchants.permissions import IsAppUser
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.idempotency import StoredResponse
from paycore.pagination import page_of, page_response
from paycore.throttling import ScopedThrottle

_TAGS = ["Gifts"]
_GIFT = {
    "id": "gft_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "gift",
    "status": "open",
    "plan": "premium",
    "price": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "interval": "year",
    "interval_count": 1,
    "currency": "EUR",
    "amount_minor": 9900,
    "order": "ord_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "invoice": "inv_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "language": "en",
    "deliver_at": "2026-12-24T08:00:00Z",
    "delivered_at": None,
    "code_ends_with": None,
    "created_at": "2026-11-22T10:00:00Z",
}
_BUY = {
    "price": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "recipient_email": "ben@example.com",
    "message": "Happy birthday!",
    "deliver_at": "2026-12-24T08:00:00Z",
}
_REDEMPTION = {
    "id": "rdm_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "redemption",
    "plan": "premium",
    "gave": "grant",
    "subscription": None,
    "starts_at": "2026-12-24T10:00:00Z",
    "ends_at": "2027-12-24T10:00:00Z",
    "redeemed_at": "2026-12-24T10:00:00Z",
}


class _PersonsView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]


class GiftListView(_PersonsView, IdempotentView):
    route = "POST /gifts"

    @extend_schema(
        operation_id="gifts_list",
        tags=_TAGS,
        summary="List the gifts I bought, newest first",
        parameters=[OpenApiParameter("status", str, enum=Gift.Status.values, description="Only these.")],
        responses=page_of(OwnGiftSerializer),
    )
    def get(self, request: Request) -> Response:
        rows = gifts_of(signed_in_user(request).pk)
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        return page_response(request, rows, view=self, present=present_to_buyer)

    @extend_schema(
        operation_id="gifts_create",
        tags=_TAGS,
        summary="Buy a membership for somebody else",
        description="The answer names an order: pay it with /payments or /checkout-sessions. Then a code is mailed to "
        "the recipient, at once or at `deliver_at`; without a recipient it is mailed to you.",
        request=BuyGiftSerializer,
        responses={201: GiftSerializer},
        examples=[
            OpenApiExample("A year for Ben", request_only=True, value=_BUY),
            OpenApiExample("Waiting for payment", response_only=True, status_codes=["201"], value=_GIFT),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        data = BuyGiftSerializer.check(request.data)
        draft = GiftDraft(
            buyer=user,
            price_id=data["price"],
            recipient_email=data.get("recipient_email", ""),
            message=data.get("message", ""),
            deliver_at=data.get("deliver_at"),
            language=data.get("language", ""),
            country=data.get("country", ""),
        )

        def work() -> StoredResponse:
            return stored(201, present_gift(buy_gift(draft, now=database_now(subject=user.id))))

        return self.run(request, caller=user.id, work=work)


class GiftView(_PersonsView):
    @extend_schema(operation_id="gifts_show", tags=_TAGS, summary="Show a gift I bought", responses=OwnGiftSerializer)
    def get(self, request: Request, gift_id: str) -> Response:
        return Response(present_to_buyer(get_gift(gift_id, buyer_id=signed_in_user(request).pk)))


class GiftCodeView(_PersonsView):
    """Safe to repeat: each answer has a new code, and only the last one is good. The answer is kept nowhere."""

    throttle_classes = [ScopedThrottle]
    throttle_scope = "redeem"

    @extend_schema(
        operation_id="gifts_code",
        tags=_TAGS,
        summary="Get a new code for a gift that was not redeemed",
        description="For a code that got lost. The earlier code, also one that was mailed, stops working.",
        request=None,
        responses=GiftCodeSerializer,
        examples=[
            OpenApiExample(
                "A code",
                response_only=True,
                value={"object": "gift_code", "gift": _GIFT["id"], "code": "7K2M-QW4X-9TRC-EH3P"},
            )
        ],
    )
    def post(self, request: Request, gift_id: str) -> Response:
        user = signed_in_user(request)
        gift, code = replace_code(gift_id, buyer_id=user.id, now=database_now(subject=user.id))
        return Response({"object": "gift_code", "gift": gift.id, "code": code})


class RedeemView(_PersonsView, IdempotentView):
    route = "POST /redeem"
    throttle_classes = [ScopedThrottle]
    throttle_scope = "redeem"

    @extend_schema(
        operation_id="redeem",
        tags=_TAGS,
        summary="Redeem a gift or another code",
        description="With a running subscription to the same plan the time is put behind it and its renewal moves out; "
        "otherwise it begins now, or when what a code gave earlier is over. `code_not_valid` says nothing about why.",
        request=RedeemSerializer,
        responses={201: RedemptionSerializer},
        examples=[
            OpenApiExample("A code", request_only=True, value={"code": "7k2m-qw4x-9trc-eh3p"}),
            OpenApiExample("Redeemed", response_only=True, status_codes=["201"], value=_REDEMPTION),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        typed = RedeemSerializer.check(request.data)["code"]

        def work() -> StoredResponse:
            return stored(201, present_redemption(redeem(typed, user=user, now=database_now(subject=user.id))))

        return self.run(request, caller=user.id, work=work)
