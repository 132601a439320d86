"""`/api/v1/payment-methods` and `/api/v1/mandates`: a person's own; merchants' servers see what they may charge."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.stepup import require_recent_sign_in
from merchants.authentication import MerchantCaller
from merchants.permissions import IsAppUser
from merchants.queries import get_merchant, platform_merchant
from paycore.api import IdempotentView, answer, stored
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.idempotency import KeyTaken, StoredResponse, answer_taken
from paycore.pagination import page_of, page_response
from paycore.throttling import client_address
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.presentation import present_mandate, present_method
from payments.methods.queries import get_method, methods_of
from payments.methods.saving import SaveDraft, resume_saving, start_saving
from payments.methods.serializers import MandateSerializer, PaymentMethodSerializer, SaveMethodSerializer
from payments.methods.services import remove_method, set_default_method, withdraw_mandate

_TAGS = ["Payment methods"]
_STATUS = OpenApiParameter(
    "status", str, description="Only these; without it, what can be paid with or is being saved.",
    enum=[*PaymentMethod.Status.values],
)  # fmt: skip
_METHOD = OpenApiParameter("method", str, description="Only methods of this kind, e.g. `card`.")
_SAVE = OpenApiExample(
    "Save a test card and agree to renewals",
    request_only=True,
    value={
        "method": "card",
        "currency": "USD",
        "options": {"token": "tok_approve"},
        "mandate": {
            "text_version": "renewals-2026-11",
            "language": "en",
            "accepted": True,
            "max_amount_minor": 5000,
            "currency": "USD",
            "interval": "month",
        },
    },
)


def _whose(request: Request) -> dict[str, str]:
    """Whose methods the caller may see, as the queries want to hear it."""
    if isinstance(request.auth, MerchantCaller):
        return {"merchant_id": request.auth.merchant_id}
    return {"user_id": str(request.user.pk)}


class PaymentMethodListView(IdempotentView):
    route = "POST /payment-methods"

    def get_permissions(self) -> list[Any]:
        return [IsAppUser()] if self.request.method == "POST" else list(super().get_permissions())

    @extend_schema(
        operation_id="payment_methods_list",
        tags=_TAGS,
        summary="List saved payment methods, newest first",
        description="A person's own; for a merchant's server, those that it may charge by a mandate.",
        parameters=[_STATUS, _METHOD],
        responses=page_of(PaymentMethodSerializer),
    )
    def get(self, request: Request) -> Response:
        whose = _whose(request)
        methods = methods_of(**whose).prefetch_related("mandates")
        if status := request.query_params.get("status"):
            methods = methods.filter(status=status)
        else:
            methods = methods.filter(status__in=("pending", "active"))
        if kind := request.query_params.get("method"):
            methods = methods.filter(method=kind)
        merchant_id = whose.get("merchant_id")
        return page_response(
            request, methods, view=self, present=lambda method: present_method(method, merchant_id=merchant_id)
        )

    @extend_schema(
        operation_id="payment_methods_create",
        tags=_TAGS,
        summary="Save a payment method without paying",
        description=(
            "Wants a recent sign-in. The answer is `active`, or `pending` with what the payer must do next "
            "(`next_action`); then show the method until it is no longer `pending`. `mandate` records what the payer "
            "agreed that may be charged unasked."
        ),
        request=SaveMethodSerializer,
        responses={201: PaymentMethodSerializer},
        examples=[_SAVE],
    )
    def post(self, request: Request) -> HttpResponse:
        require_recent_sign_in(request)
        data = SaveMethodSerializer.check(request.data)
        user_id = str(request.user.pk)
        key = self.key(request, caller=user_id)
        draft = _draft(request, data, user_id=user_id)
        try:
            return answer(_render(start_saving(draft, key=key, render=_render)))
        except KeyTaken as taken:

            def resume(method_id: str) -> StoredResponse:
                return resume_saving(method_id, draft, key=key, render=_render)

            return answer(answer_taken(taken, resume=resume))


def _draft(request: Request, data: dict[str, Any], *, user_id: str) -> SaveDraft:
    merchant = get_merchant(data["merchant"]) if "merchant" in data else platform_merchant()
    consent = None
    if "mandate" in data:
        consent = consent_as_row(
            data["mandate"], device=device_of(request, device_id=data["device_id"]), now=database_now()
        )
    return SaveDraft(
        user_id=user_id,
        merchant_id=merchant.id,
        method=data["method"],
        currency=data["currency"],
        country=data["country"],
        return_url=data["return_url"],
        options=_options(request, data.get("options", {})),
        consent=consent,
    )


def _options(request: Request, told: dict[str, Any]) -> dict[str, Any]:
    """A provider that sends a phone's browser on wants to know its address."""
    return {**told, "payer_ip": client_address(request)} if told.get("scene") == "h5" else dict(told)


def device_of(request: Request, *, device_id: str) -> Device:
    """Where the caller sits, as far as it shows."""
    return Device(client_address(request), device_id, request.headers.get("User-Agent", ""))


def _render(method: PaymentMethod) -> StoredResponse:
    return stored(201, present_method(method))


class PaymentMethodView(APIView):
    def get_permissions(self) -> list[Any]:
        return [IsAppUser()] if self.request.method == "DELETE" else list(super().get_permissions())

    @extend_schema(
        operation_id="payment_methods_show",
        tags=_TAGS,
        summary="Show a saved payment method",
        responses=PaymentMethodSerializer,
    )
    def get(self, request: Request, method_id: str) -> Response:
        whose = _whose(request)
        return Response(present_method(get_method(method_id, **whose), merchant_id=whose.get("merchant_id")))

    @extend_schema(
        operation_id="payment_methods_remove",
        tags=_TAGS,
        summary="Remove a saved payment method",
        description="It is gone at once and its mandates end; the provider is told until it has forgotten it as well.",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, method_id: str) -> Response:
        remove_method(method_id, by="payer", user_id=str(request.user.pk))
        return Response(status=204)


class PaymentMethodDefaultView(APIView):
    """Safe to repeat."""

    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="payment_methods_make_default",
        tags=_TAGS,
        summary="Offer this payment method first",
        request=None,
        responses=PaymentMethodSerializer,
    )
    def post(self, request: Request, method_id: str) -> Response:
        method = set_default_method(user_id=str(request.user.pk), method_id=method_id)
        return Response(present_method(method))


class MandateView(APIView):
    """Safe to repeat."""

    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="mandates_end",
        tags=_TAGS,
        summary="Withdraw the consent to be charged unasked",
        request=None,
        responses=MandateSerializer,
    )
    def delete(self, request: Request, mandate_id: str) -> Response:
        mandate = Mandate.objects.filter(id=mandate_id, payment_method__user_id=str(request.user.pk)).first()
        if mandate is None:
            raise NotFound
        return Response(present_mandate(withdraw_mandate(mandate.id, by="payer")))
