"""The signed-in person leaves: closes the account, or asks to be erased."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.leaving.closing import close_account
from accounts.leaving.erasing import NoErasureScheduled, cancel_erasure, request_erasure, scheduled_erasure
from accounts.leaving.serializers import (
    ClosedSerializer,
    CloseSerializer,
    ConfirmSerializer,
    ErasureSerializer,
    present_closed,
    present_erasure,
)
from accounts.stepup import require_recent_sign_in
from paycore.api import IdempotentView, stored
from paycore.clock import database_now

_KEPT = ["Orders, payments, refunds and the books: seven years, for tax and accounting law."]
_CLOSED = {
    "object": "closed_account",
    "user": "usr_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "closed_at": "2026-11-21T09:30:00Z",
    "kept": _KEPT,
}
_ERASURE = {
    "id": "ers_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "object": "erasure",
    "status": "scheduled",
    "due_at": "2026-12-05T09:30:00Z",
    "blocked_by": None,
    "kept": _KEPT,
    "created_at": "2026-11-21T09:30:00Z",
}


class CloseAccountView(APIView):
    authentication_classes = [UserAuthentication]

    @extend_schema(
        operation_id="me_close",
        summary="Close the signed-in user's account",
        description=(
            "Wants a recent sign-in. Every session ends and nobody signs in any more; nothing is erased. Refused with "
            "409 while orders, refunds or a business need the account; `confirmation_needed` lists what is given up."
        ),
        tags=["Me"],
        request=CloseSerializer,
        responses=ClosedSerializer,
        examples=[
            OpenApiExample("Give the membership up", value={"confirm": ["active_membership"]}, request_only=True),
            OpenApiExample("Closed", value=_CLOSED, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        user = signed_in_user(request)
        require_recent_sign_in(request)
        values = CloseSerializer.check(request.data)
        closed = close_account(
            user.pk, reason=values.get("reason", ""), confirmed=values.get("confirm", []), now=database_now()
        )
        return Response(present_closed(closed))


class ErasureView(IdempotentView):
    may_be_none = True
    authentication_classes = [UserAuthentication]
    route = "POST /me/erasure"

    @extend_schema(
        operation_id="me_erasure_show",
        summary="Show the erasure that is scheduled",
        tags=["Me"],
        responses=ErasureSerializer,
        examples=[OpenApiExample("Scheduled", value=_ERASURE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        erasure = scheduled_erasure(signed_in_user(request).pk)
        if erasure is None:
            raise NoErasureScheduled
        return Response(present_erasure(erasure))

    @extend_schema(
        operation_id="me_erasure_request",
        summary="Ask to be erased",
        description=(
            "Wants a recent sign-in. Takes effect after days of grace, in which everything works as before and the "
            "person may cancel. The answer says what is kept, and which law keeps it."
        ),
        tags=["Me"],
        request=ConfirmSerializer,
        responses={202: ErasureSerializer},
        examples=[
            OpenApiExample("Erase me", value={}, request_only=True),
            OpenApiExample("Scheduled", value=_ERASURE, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        require_recent_sign_in(request)
        confirmed = ConfirmSerializer.check(request.data).get("confirm", [])

        def work() -> Any:
            erasure = request_erasure(user.pk, requested_by=user, confirmed=confirmed, now=database_now())
            return stored(202, present_erasure(erasure))

        return self.run(request, caller=user.pk, work=work)

    @extend_schema(
        operation_id="me_erasure_cancel",
        summary="Cancel the erasure that is scheduled",
        tags=["Me"],
        request=None,
        responses=ErasureSerializer,
        examples=[OpenApiExample("Canceled", value={**_ERASURE, "status": "canceled"}, response_only=True)],
    )
    def delete(self, request: Request) -> Response:
        return Response(present_erasure(cancel_erasure(signed_in_user(request).pk)))
