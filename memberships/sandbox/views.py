"""`/api/v1/sandbox/clock`: a developer lets a user's time pass. 403 outside the sandbox."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memberships.entitlements.askers import whose
from memberships.sandbox.journeys import clock_of, start_journey
from memberships.sandbox.serializers import (
    ClockAdvanceOfUserSerializer,
    ClockAdvanceSerializer,
    ClockQuerySerializer,
    ClockSerializer,
    present_clock,
    target_of,
)
from merchants.authentication import MerchantCaller
from paycore.api import IdempotentView, stored
from paycore.idempotency import StoredResponse

_TAGS = ["Sandbox"]
_CLOCK: dict[str, Any] = {
    "object": "sandbox_clock",
    "user": "usr_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "now": "2027-11-22T10:00:00Z",
    "ahead_seconds": 31536000,
    "advance": {
        "id": "adv_01kaf5m7z8x9c0v1b2n3m4a5s6",
        "object": "clock_advance",
        "status": "running",
        "started_from": "2026-11-22T10:00:00Z",
        "target": "2027-11-22T10:00:00Z",
        "reached": "2027-04-22T10:00:00Z",
        "stops": 9,
        "error": None,
    },
}
_ANSWER = OpenApiExample("A year on its way", response_only=True, value=_CLOCK)
_USER = OpenApiParameter("user", str, description="Whose clock; for the platform's server only.")


class SandboxClockView(APIView):
    may_be_none = True  # the user that the address names

    @extend_schema(
        operation_id="sandbox_clock_show",
        tags=_TAGS,
        summary="What time it is for a user (sandbox only)",
        description="A person's own clock; the platform's server names a user.",
        parameters=[_USER],
        responses=ClockSerializer,
        examples=[_ANSWER],
    )
    def get(self, request: Request) -> Response:
        asked = ClockQuerySerializer.check(request.query_params.dict())
        return Response(present_clock(clock_of(whose(request, asked.get("user")))))


class SandboxClockAdvanceView(IdempotentView):
    route = "POST /sandbox/clock/advance"

    @extend_schema(
        operation_id="sandbox_clock_advance",
        tags=_TAGS,
        summary="Let a user's time pass (sandbox only)",
        description=(
            "By `hours`, `days`, `weeks`, `months` and `years`, or to a moment; at most 800 days at once. It goes on "
            "in the background, from one due moment to the next: trials end, periods are renewed, overdue payments are "
            "tried again, messages are written (`/sandbox/messages`). Ask for the clock until its `advance` is `done`. "
            "Only one runs at a time: 409 `clock_is_moving`."
        ),
        request=ClockAdvanceSerializer,
        responses={201: ClockSerializer},
        examples=[
            OpenApiExample("A year", request_only=True, value={"by": {"years": 1}}),
            OpenApiExample("To a day", request_only=True, value={"to": "2027-03-01T00:00:00Z"}),
            _ANSWER,
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        is_server = isinstance(request.auth, MerchantCaller)
        form = (ClockAdvanceOfUserSerializer if is_server else ClockAdvanceSerializer).check(request.data)
        user_id = whose(request, form.get("user"))

        def work() -> StoredResponse:
            start_journey(user_id, target_at=target_of(form, now=clock_of(user_id).now))
            return stored(201, present_clock(clock_of(user_id)))

        return self.run(request, caller=str(request.user.pk), work=work)
