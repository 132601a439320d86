"""`/api/v1/subscriptions/{id}/seats`, `/seats/accept`, `/seats/leave`."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.models import Seat
from memberships.seats import services
from memberships.seats.presentation import present_owner, present_seat, present_to_owner
from memberships.seats.queries import own_subscription, seats_of
from memberships.subscriptions.seat_room import room, taken_seats
from merchants.permissions import IsAppUser
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.fields import StrictCharField, StrictSerializer
from paycore.idempotency import StoredResponse
from paycore.pagination import page_response
from paycore.throttling import ScopedThrottle

_TAGS = ["Seats"]
_SEAT = {
    "id": "sea_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "seat",
    "subscription": "sub_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "role": "member",
    "status": "invited",
    "user": None,
    "expires_at": "2026-11-28T10:00:00Z",
    "accepted_at": None,
}


class InviteSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254, help_text=_("Whom the invitation is mailed to."))


class AcceptSerializer(StrictSerializer):
    token = StrictCharField(max_length=services.MOST_TOKEN_CHARACTERS, help_text=_("From the invitation's mail."))


class SeatSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["seat"])
    subscription = serializers.CharField()
    role = serializers.ChoiceField(choices=["owner", "member"])
    status = serializers.ChoiceField(
        choices=Seat.Status.choices,
        help_text=_("claimed: somebody with another address than the invited one waits for the owner's yes."),
    )
    user = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text=_("Of an invitation."))
    accepted_at = serializers.DateTimeField(allow_null=True)


class OwnersSeatSerializer(SeatSerializer):
    email = serializers.EmailField(allow_null=True, help_text=_("Where the invitation went."))
    name = serializers.CharField(help_text=_("Of whoever took or claims the seat."))


class SeatListSerializer(serializers.Serializer[Any]):
    owner = OwnersSeatSerializer()
    seats = serializers.IntegerField(help_text=_("How many there are, the owner's included."))
    taken = serializers.IntegerField(help_text=_("How many of them are taken or kept free for somebody invited."))
    data = OwnersSeatSerializer(many=True)  # type: ignore[assignment]  # a field named as a property of the base
    next_cursor = serializers.CharField(allow_null=True)
    previous_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class _PersonsView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]


class SeatListView(_PersonsView, IdempotentView):
    route = "POST /subscriptions/seats"

    @extend_schema(
        operation_id="seats_list",
        tags=_TAGS,
        summary="List the seats of my subscription",
        parameters=[
            OpenApiParameter(
                "status", str, enum=Seat.Status.values, description="Only these; removed ones are left out otherwise."
            )
        ],
        responses=SeatListSerializer,
    )
    def get(self, request: Request, subscription_id: str) -> Response:
        owner = signed_in_user(request)
        subscription = own_subscription(subscription_id, owner_id=owner.id)
        rows = seats_of(subscription, status=request.query_params.get("status", ""))
        page = page_response(request, rows, view=self, present=present_to_owner)
        taken = 1 + taken_seats(subscription.id, now=database_now(subject=owner.id)).count()
        head = {"owner": present_owner(subscription, owner), "seats": room(subscription), "taken": taken}
        return Response(head | page.data)

    @extend_schema(
        operation_id="seats_invite",
        tags=_TAGS,
        summary="Offer a seat of my subscription to somebody by e-mail",
        description="The invitation is good for seven days and keeps the seat free. Buy more seats by changing the "
        "subscription's quantity.",
        request=InviteSerializer,
        responses={201: SeatSerializer},
        examples=[
            OpenApiExample("Invite", request_only=True, value={"email": "ben@example.com"}),
            OpenApiExample(
                "Invited", response_only=True, status_codes=["201"],
                value=_SEAT,
            ),
        ],
    )  # fmt: skip
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        owner = signed_in_user(request)
        own_subscription(subscription_id, owner_id=owner.id)
        email = InviteSerializer.check(request.data)["email"]

        def work() -> StoredResponse:
            seat = services.invite(subscription_id, owner=owner, email=email, now=database_now(subject=owner.id))
            return stored(201, present_seat(seat))

        return self.run(request, caller=f"{owner.id} {subscription_id}", work=work)


class SeatView(_PersonsView):
    """Safe to repeat."""

    @extend_schema(
        operation_id="seats_remove",
        tags=_TAGS,
        summary="Take a seat back, or withdraw an invitation",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, subscription_id: str, seat_id: str) -> Response:
        owner = signed_in_user(request)
        now = database_now(subject=owner.id)
        services.remove(seat_id, subscription_id=subscription_id, owner_id=owner.id, now=now)
        return Response(status=204)


class SeatConfirmView(_PersonsView):
    """Of two only the first finds something to confirm."""

    @extend_schema(
        operation_id="seats_confirm",
        tags=_TAGS,
        summary="Let somebody with another address have the seat",
        description="The person came with the mailed link and is signed in under another address.",
        request=None,
        responses=OwnersSeatSerializer,
    )
    def post(self, request: Request, subscription_id: str, seat_id: str) -> Response:
        owner = signed_in_user(request)
        now = database_now(subject=owner.id)
        seat = services.confirm(seat_id, subscription_id=subscription_id, owner_id=owner.id, now=now)
        return Response(present_to_owner(seat))


class SeatAcceptView(_PersonsView):
    """Safe to repeat: the seat is answered as it is."""

    may_be_none = True  # no such invitation
    throttle_classes = [ScopedThrottle]
    throttle_scope = "redeem"

    @extend_schema(
        operation_id="seats_accept",
        tags=_TAGS,
        summary="Take the seat that I was invited to",
        description="With another address than the invited one the answer's status is `claimed`: the owner is asked.",
        request=AcceptSerializer,
        responses=SeatSerializer,
        examples=[OpenApiExample("From the mail", request_only=True, value={"token": "kV3…"})],
    )
    def post(self, request: Request) -> Response:
        user = signed_in_user(request)
        token = AcceptSerializer.check(request.data)["token"]
        return Response(present_seat(services.accept(token=token, user=user, now=database_now(subject=user.id))))


class SeatLeaveView(_PersonsView):
    """Safe to repeat: without a seat it is 404."""

    may_be_none = True

    @extend_schema(
        operation_id="seats_leave",
        tags=_TAGS,
        summary="Give up my seat in somebody's membership",
        request=None,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        user = signed_in_user(request)
        services.leave(user_id=user.id, now=database_now(subject=user.id))
        return Response(status=204)
