"""`/api/v1/payments`: pay an order, watch it, capture or void what is held."""

import threading
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.stepup import has_recent_sign_in
from merchants.authentication import MerchantCaller
from merchants.permissions import IsMerchantServer
from paycore import idempotency
from paycore.api import IdempotentView, answer, stored
from paycore.errors import PaycoreError, PermissionRefused
from paycore.idempotency import Key, KeyTaken, StoredResponse, answer_taken
from paycore.money import Money
from paycore.pagination import page_of, page_response
from paycore.throttling import client_address
from payments.methods.mandates import Device
from payments.methods.services import note_use
from payments.methods.views import device_of
from payments.orders import examples
from payments.orders.callers import viewer_of
from payments.orders.captures import request_capture, send_capture, void_payment
from payments.orders.charging import pay_order, resume_payment
from payments.orders.clearance import Payer
from payments.orders.models import Order, Payment
from payments.orders.presentation import present_capture, present_payment
from payments.orders.queries import Viewer, get_order, get_payment, payments_of
from payments.orders.saved_methods import consent_to_keep, method_to_charge, refuse_what_is_not_yours
from payments.orders.serializers import (
    CaptureAnswerSerializer,
    CaptureSerializer,
    PaymentSerializer,
    PaySerializer,
    draft_order,
    pay_instruction,
)
from payments.orders.services import build_order

MAX_WAIT_SECONDS = 10
LOOK_AGAIN_SECONDS = 0.3

_waiting_slots = threading.BoundedSemaphore(settings.PAYCORE_LONG_POLL_SLOTS)


class PaymentListView(IdempotentView):
    route = "POST /payments"

    @extend_schema(
        operation_id="payments_list",
        tags=["Payments"],
        summary="List payments, newest first",
        parameters=[*examples.PAGE, examples.ORDER_FILTER, examples.PAYMENT_STATUS_FILTER],
        responses=page_of(PaymentSerializer),
    )
    def get(self, request: Request) -> Response:
        viewer = viewer_of(request)
        payments = payments_of(viewer)
        if order := request.query_params.get("order"):
            payments = payments.filter(order_id=order)
        if status := request.query_params.get("status"):
            payments = payments.filter(status=status)
        return page_response(request, payments, view=self, present=partial(present_payment, viewer=viewer))

    @extend_schema(
        operation_id="payments_create",
        tags=["Payments"],
        summary="Pay an order",
        description=(
            "One attempt to collect an order. The answer says what is known: `succeeded`, `failed` with a code, "
            "`requires_action`, or `submitting` while the outcome is unknown; then watch the payment. "
            "Merchants' servers may create the order in the same request with `order_details`."
        ),
        request=PaySerializer,
        responses={201: PaymentSerializer},
        examples=[examples.PAY_REQUEST, examples.PAYMENT],
    )
    def post(self, request: Request) -> HttpResponse:
        viewer = viewer_of(request)
        form = PaySerializer.check(request.data)
        payer = _payer(request, form.get("payer", {}))
        refuse_what_is_not_yours(form, viewer=viewer)
        device = device_of(request, device_id=payer.device_id)
        key = self.key(request, caller=viewer.id)
        try:
            return answer(_pay(form, viewer=viewer, payer=payer, device=device, key=key))
        except KeyTaken as taken:

            def resume(payment_id: str) -> StoredResponse:
                return resume_payment(payment_id, key=key, render=partial(_render, viewer=viewer))

            return answer(answer_taken(taken, resume=resume))


def _pay(form: dict[str, Any], *, viewer: Viewer, payer: Payer, device: Device, key: Key) -> StoredResponse:
    try:
        order = _order_to_pay(form, viewer=viewer)
        saved = method_to_charge(form, order=order, viewer=viewer)
        consent = consent_to_keep(form, order=order, device=device)
    except PaycoreError:
        if (state := idempotency.look_up(key)) is not None:  # a repeat gets its first answer
            raise KeyTaken(state) from None
        raise
    instruction = pay_instruction(form, payer=payer, saved=saved, consent=consent)
    render = partial(_render, viewer=viewer)
    payment = pay_order(order, instruction, key=key, render=render)
    if saved:
        note_use(saved)
    return render(payment.order, payment)


def _order_to_pay(form: dict[str, Any], *, viewer: Viewer) -> Order:
    details = form.get("order_details")
    if details is None:
        return get_order(viewer, form["order"])
    if not viewer.merchant_id:
        raise PermissionRefused
    return build_order(draft_order(details, merchant_id=viewer.merchant_id))


def _payer(request: Request, told: dict[str, str]) -> Payer:
    """A user is here: the connection says from where. A merchant's server says it of its own customer."""
    device_id = told.get("device_id", "")
    if isinstance(request.auth, MerchantCaller):
        return Payer(ip=told.get("ip_address", ""), device_id=device_id)
    if "ip_address" in told:
        raise ValidationError({"payer": {"ip_address": [_("Only merchants' servers give it.")]}})
    return Payer(ip=client_address(request), device_id=device_id, has_proved=partial(has_recent_sign_in, request))


def _render(_order: Order, payment: Payment, *, viewer: Viewer) -> StoredResponse:
    return stored(201, present_payment(payment, viewer=viewer))


class PaymentView(APIView):
    @extend_schema(
        operation_id="payments_show",
        tags=["Payments"],
        summary="Show a payment, or wait for it to change",
        parameters=[examples.WAIT_SECONDS, examples.AFTER_VERSION],
        responses=PaymentSerializer,
        examples=[examples.PAYMENT],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        viewer = viewer_of(request)
        payment = get_payment(viewer, payment_id)
        wait, version = _number(request, "wait_seconds"), _number(request, "after_version")
        if wait and payment.version <= (version or payment.version) and not payment.is_final:
            _wait_for_change(payment, seconds=min(wait, MAX_WAIT_SECONDS))
        return Response(present_payment(payment, viewer=viewer))


def _wait_for_change(payment: Payment, *, seconds: int) -> None:
    """Hold the request while nothing changes. Few may wait at once; the rest is answered at once and asks again."""
    if not _waiting_slots.acquire(blocking=False):
        return
    try:
        until, version = time.monotonic() + seconds, payment.version
        while time.monotonic() < until:
            time.sleep(LOOK_AGAIN_SECONDS)
            if Payment.objects.filter(id=payment.id).values_list("version", flat=True).first() != version:
                break
        payment.refresh_from_db()
    finally:
        _waiting_slots.release()


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class PaymentCaptureView(IdempotentView):
    route = "POST /payments/capture"
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="payments_capture",
        tags=["Payments"],
        summary="Take held money, all or in parts (merchant's server)",
        request=CaptureSerializer,
        responses={201: CaptureAnswerSerializer},
    )
    def post(self, request: Request, payment_id: str) -> HttpResponse:
        viewer = viewer_of(request)
        form = CaptureSerializer.check(request.data)
        payment = get_payment(viewer, payment_id)
        minor = form.get("amount_minor")
        made: list[str] = []

        def work() -> StoredResponse:
            amount = Money(minor, payment.currency) if minor else None
            capture = request_capture(payment.id, amount=amount, is_final=form["is_final"])
            made.append(capture.id)
            return stored(201, present_capture(capture))

        response = self.run(request, caller=f"{viewer.id} {payment.id}", work=work)
        if made:
            send_capture(made[0])
        return response


class PaymentVoidView(APIView):
    """Safe to repeat: nothing is held any more after the first."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="payments_void",
        tags=["Payments"],
        summary="Let held money go (merchant's server)",
        request=None,
        responses=PaymentSerializer,
    )
    def post(self, request: Request, payment_id: str) -> Response:
        payment = get_payment(viewer_of(request), payment_id)
        return Response(present_payment(void_payment(payment.id)))
