"""`/api/v1/plans`: what is for sale, for everybody."""

import hashlib
import json
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication
from accounts.models import User
from memberships.catalogue.currencies import guess_currency
from memberships.catalogue.known import OnSale, plans_on_sale
from memberships.catalogue.presentation import present_plan
from memberships.catalogue.serializers import PlanListSerializer, PlanQuerySerializer, PlanSerializer
from memberships.models import Price
from paycore.errors import NotFound

KEPT_SECONDS = 60
_FILTERS = [
    OpenApiParameter("currency", str, description="ISO 4217; without it the caller's own."),
    OpenApiParameter("interval", str, enum=Price.Interval.values, description="Only prices of this interval."),
]
_EXAMPLE: dict[str, Any] = {
    "id": "pln_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "plan",
    "code": "premium",
    "name": "Premium",
    "tier": {"id": "tie_01kaf5m7z8x9c0v1b2n3m4a5s6", "code": "premium", "name": "Premium", "rank": 1},
    "rank": 1,
    "version": 1,
    "features": [{"code": "exports", "name": "Exports", "kind": "metered", "limit": 100, "reset": "month"}],
    "seats": {"included": 1, "most": 1},
    "availability": "on_sale",
    "currency": "USD",
    "currencies": ["CNY", "EUR", "USD"],
    "prices": [
        {
            "id": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6",
            "currency": "USD",
            "amount_minor": 1999,
            "interval": "month",
            "interval_count": 1,
            "trial_days": 14,
            "setup_fee_minor": 0,
            "seat_amount_minor": 0,
            "is_tax_inclusive": True,
        }
    ],
}


class _CatalogueView(APIView):
    """May be kept for a minute: by everybody, unless it was made for a person."""

    authentication_classes = [UserAuthentication]
    permission_classes = [AllowAny]

    def _answer(self, request: Request, document: dict[str, Any]) -> HttpResponse:
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        response = HttpResponse(body, content_type="application/json")
        audience = "private" if request.user.is_authenticated else "public"
        response["Cache-Control"] = f"{audience}, max-age={KEPT_SECONDS}"
        response["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        patch_vary_headers(response, ["Accept-Language", "Authorization"])
        answered = get_conditional_response(request._request, etag=response["ETag"], response=response)
        return answered if isinstance(answered, HttpResponse) else response


class PlanListView(_CatalogueView):
    @extend_schema(
        operation_id="plans_list",
        tags=["Memberships"],
        summary="What is on sale",
        parameters=_FILTERS,
        responses=PlanListSerializer,
        examples=[OpenApiExample("Premium", response_only=True, value={"currency": "USD", "data": [_EXAMPLE]})],
    )
    def get(self, request: Request) -> HttpResponse:
        asked = PlanQuerySerializer.check(request.query_params.dict())
        offered = plans_on_sale()
        currency = asked.get("currency") or _own_currency(request, offered)
        terms = {"currency": currency, "interval": asked.get("interval", ""), "language": get_language() or "en"}
        return self._answer(request, {"currency": currency, "data": [present_plan(one, **terms) for one in offered]})


class PlanView(_CatalogueView):
    @extend_schema(
        operation_id="plans_show",
        tags=["Memberships"],
        summary="Show a plan on sale, by id or code",
        parameters=_FILTERS,
        responses=PlanSerializer,
        examples=[OpenApiExample("Premium", response_only=True, value=_EXAMPLE)],
    )
    def get(self, request: Request, plan: str) -> HttpResponse:
        asked = PlanQuerySerializer.check(request.query_params.dict())
        on_sale = plans_on_sale()
        offered = next((one for one in on_sale if plan in (one.plan.id, one.plan.code)), None)
        if offered is None:
            raise NotFound
        currency = asked.get("currency") or _own_currency(request, on_sale)
        language = get_language() or "en"
        document = present_plan(offered, currency=currency, interval=asked.get("interval", ""), language=language)
        return self._answer(request, document)


def _own_currency(request: Request, offered: tuple[OnSale, ...]) -> str:
    if isinstance(request.user, User):
        return request.user.currency
    on_sale = {price.currency for one in offered for price in one.prices}
    return guess_currency(request.headers.get("Accept-Language", ""), on_sale=on_sale)
