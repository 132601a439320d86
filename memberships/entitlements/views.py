"""`/api/v1/entitlements`, `/users/{user}/entitlements`, `/usage`."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.entitlements.askers import require_known_user, whose
from memberships.entitlements.presentation import present_entitlement, present_entitlements
from memberships.entitlements.queries import Entitlement, check, entitlements_of
from memberships.entitlements.serializers import (
    EntitlementListSerializer,
    EntitlementQuerySerializer,
    EntitlementSerializer,
    UsageOfUserSerializer,
    UsageSerializer,
)
from memberships.entitlements.usage import give_back, use
from merchants.authentication import MerchantCaller
from merchants.permissions import IsAppUser, IsMerchantServer
from paycore.api import IdempotentView, stored
from paycore.idempotency import StoredResponse

_TAGS = ["Memberships"]
_FEATURE = OpenApiParameter("feature", str, description="Only this feature; an empty list when it is not had.")
_EXAMPLE: dict[str, Any] = {
    "feature": "exports",
    "object": "entitlement",
    "name": "Exports",
    "kind": "metered",
    "limit": 100,
    "used": 12,
    "remaining": 88,
    "until": "2026-12-21T10:00:00Z",
    "resets_at": "2026-12-21T10:00:00Z",
    "source": "subscription",
    "source_id": "sub_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "plan": "premium",
    "reason": "paid",
}
_LIST = OpenApiExample("Premium", response_only=True, value={"data": [_EXAMPLE]})
_COUNTED = OpenApiExample("Counted", response_only=True, value=_EXAMPLE)
_USER_ID = "usr_01kaf5m7z8x9c0v1b2n3m4a5s6"


class EntitlementListView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="entitlements_list",
        tags=_TAGS,
        summary="What I may use, how much of it, until when and why",
        parameters=[_FEATURE],
        responses=EntitlementListSerializer,
        examples=[_LIST],
    )
    def get(self, request: Request) -> Response:
        return _list_of(request, signed_in_user(request).id)


class UserEntitlementListView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="users_entitlements_list",
        tags=_TAGS,
        summary="What a user may use",
        description=(
            "For merchants' servers. The platform's may ask about every user, any other about users who paid it or "
            "agreed to be charged by it; the rest are not there (404)."
        ),
        parameters=[_FEATURE],
        responses=EntitlementListSerializer,
        examples=[_LIST],
    )
    def get(self, request: Request, user_id: str) -> Response:
        caller: MerchantCaller = request.user  # type: ignore[assignment]  # the permission has seen to it
        require_known_user(caller.merchant_id, user_id)
        return _list_of(request, user_id)


class UsageView(IdempotentView):
    route = "POST /usage"

    @extend_schema(
        operation_id="usage_create",
        tags=_TAGS,
        summary="Count uses of a feature",
        description=(
            "An app counts its own user's, the platform's server anybody's (`user`). What would go beyond the limit is "
            "refused whole: 409 `limit_reached` with `limit`, `used` and `resets_at`."
        ),
        request=UsageSerializer,
        responses={201: EntitlementSerializer},
        examples=[
            OpenApiExample("One export", request_only=True, value={"feature": "exports", "amount": 1}),
            _COUNTED,
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        is_server = isinstance(request.auth, MerchantCaller)
        form = (UsageOfUserSerializer if is_server else UsageSerializer).check(request.data)
        user_id = whose(request, form.get("user"))

        def work() -> StoredResponse:
            return _render(use(user_id, form["feature"], amount=form["amount"]))

        return self.run(request, caller=str(request.user.pk), work=work)


class UsageReturnView(IdempotentView):
    """Servers only: an app that gives back would never reach its limit."""

    route = "POST /usage/returns"
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="usage_returns_create",
        tags=_TAGS,
        summary="Give uses of a feature back",
        description="For the platform's server: the use did not happen, or a place is free again.",
        request=UsageOfUserSerializer,
        responses={201: EntitlementSerializer},
        examples=[
            OpenApiExample(
                "One export failed", request_only=True, value={"feature": "exports", "amount": 1, "user": _USER_ID}
            ),
            _COUNTED,
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        form = UsageOfUserSerializer.check(request.data)
        user_id = whose(request, form["user"])

        def work() -> StoredResponse:
            return _render(give_back(user_id, form["feature"], amount=form["amount"]))

        return self.run(request, caller=str(request.user.pk), work=work)


def _list_of(request: Request, user_id: str) -> Response:
    asked = EntitlementQuerySerializer.check(request.query_params.dict())
    if feature := asked.get("feature"):
        found = check(user_id, feature)
        rows = [found] if found else []
    else:
        rows = entitlements_of(user_id)
    return Response({"data": present_entitlements(rows, language=_language())})


def _render(counted: Entitlement) -> StoredResponse:
    return stored(201, present_entitlement(counted, language=_language()))


def _language() -> str:
    return get_language() or "en"
