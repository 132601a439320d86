"""`/api/v1/promotions`: a merchant's own, through its API key; and what a code would give, for anybody signed in."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.authentication import MerchantCaller
from merchants.permissions import IsMerchantServer
from merchants.queries import platform_merchant
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.idempotency import StoredResponse
from paycore.money import Money
from paycore.pagination import page_of, page_response
from paycore.throttling import CallerThrottle, ScopedThrottle
from payments.promotions.codes import normal_code
from payments.promotions.managing import (
    BatchDraft,
    CodeDraft,
    activate_promotion,
    add_batch,
    add_code,
    create_promotion,
    end_promotion,
    pause_promotion,
    set_code_enabled,
)
from payments.promotions.models import PromotionCode, Redemption
from payments.promotions.presentation import present_batch, present_code, present_promotion, present_redemption
from payments.promotions.queries import get_batch, get_code, get_promotion, promotions_of
from payments.promotions.serializers import (
    BatchRequestSerializer,
    CheckAnswerSerializer,
    CheckSerializer,
    CodeRequestSerializer,
    PromotionCodeBatchSerializer,
    PromotionCodeSerializer,
    PromotionRequestSerializer,
    PromotionSerializer,
    PromotionUseSerializer,
)
from payments.promotions.services import Purchase, quote

_TAGS = ["Promotions"]
_DRAFT = OpenApiExample(
    "20 % off the first order",
    request_only=True,
    value={
        "name": "Welcome 2026",
        "kind": "percent",
        "percent_basis_points": 2000,
        "is_first_only": True,
        "budget_minor": 50000,
        "budget_currency": "USD",
    },
)
_CHECK = OpenApiExample(
    "A code for an order", request_only=True, value={"code": "WELCOME20", "amount_minor": 1999, "currency": "USD"}
)
_BATCH = OpenApiExample("A thousand codes", request_only=True, value={"count": 1000, "prefix": "XMAS-"})
_CODE = OpenApiExample("A code for everybody", request_only=True, value={"code": "WELCOME20"})


class ForSellers:
    def get_permissions(self) -> list[Any]:
        return [IsMerchantServer()]

    def seller(self, request: Request) -> str:
        return str(request.auth.merchant_id)  # type: ignore[union-attr]  # IsMerchantServer has seen to it


class PromotionListView(ForSellers, IdempotentView):
    route = "POST /promotions"

    @extend_schema(
        operation_id="promotions_list",
        tags=_TAGS,
        summary="List the merchant's promotions, newest first",
        parameters=[OpenApiParameter("status", str, description="Only these.")],
        responses=page_of(PromotionSerializer),
    )
    def get(self, request: Request) -> Response:
        rows = promotions_of(self.seller(request))
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        return page_response(request, rows, view=self, present=present_promotion)

    @extend_schema(
        operation_id="promotions_create",
        tags=_TAGS,
        summary="Draft a promotion for the merchant's orders",
        description="Nothing is given before it is activated and has a code.",
        request=PromotionRequestSerializer,
        responses={201: PromotionSerializer},
        examples=[_DRAFT],
    )
    def post(self, request: Request) -> HttpResponse:
        terms = PromotionRequestSerializer.check(request.data)
        merchant_id = self.seller(request)

        def work() -> StoredResponse:
            made = create_promotion(
                {**terms, "applies_to": "order"}, merchant_id=merchant_id, author_id=str(request.user.pk)
            )
            return stored(201, present_promotion(made))

        return self.run(request, caller=merchant_id, work=work)


class PromotionView(ForSellers, APIView):
    @extend_schema(
        operation_id="promotions_show", tags=_TAGS, summary="Show a promotion", responses=PromotionSerializer
    )
    def get(self, request: Request, promotion_id: str) -> Response:
        return Response(present_promotion(get_promotion(promotion_id, merchant_id=self.seller(request))))


class PromotionActivateView(ForSellers, APIView):
    """Safe to repeat: a second time answers 409 and changes nothing."""

    @extend_schema(
        operation_id="promotions_activate",
        tags=_TAGS,
        summary="Let its codes work",
        description="One that may cost a lot is activated by a person in the console: `promotion_is_your_own`.",
        request=None,
        responses=PromotionSerializer,
    )
    def post(self, request: Request, promotion_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        return Response(present_promotion(activate_promotion(promotion.id, by_id=str(request.user.pk))))


class PromotionPauseView(ForSellers, APIView):
    @extend_schema(
        operation_id="promotions_pause",
        tags=_TAGS,
        summary="Let its codes give nothing for a while",
        request=None,
        responses=PromotionSerializer,
    )
    def post(self, request: Request, promotion_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        return Response(present_promotion(pause_promotion(promotion.id)))


class PromotionEndView(ForSellers, APIView):
    @extend_schema(
        operation_id="promotions_end",
        tags=_TAGS,
        summary="End it for good",
        request=None,
        responses=PromotionSerializer,
    )
    def post(self, request: Request, promotion_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        return Response(present_promotion(end_promotion(promotion.id)))


class PromotionCodeListView(ForSellers, IdempotentView):
    route = "POST /promotions/codes"

    @extend_schema(
        operation_id="promotion_codes_list",
        tags=_TAGS,
        summary="List a promotion's codes, newest first",
        parameters=[
            OpenApiParameter("code", str, description="Only this one."),
            OpenApiParameter("batch", str, description="Only of this batch."),
        ],
        responses=page_of(PromotionCodeSerializer),
    )
    def get(self, request: Request, promotion_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        rows = PromotionCode.objects.filter(promotion=promotion)
        if code := request.query_params.get("code"):
            rows = rows.filter(code=normal_code(code))
        if batch := request.query_params.get("batch"):
            rows = rows.filter(batch_id=batch)
        return page_response(request, rows, view=self, present=present_code)

    @extend_schema(
        operation_id="promotion_codes_create",
        tags=_TAGS,
        summary="Add a code in your own words",
        request=CodeRequestSerializer,
        responses={201: PromotionCodeSerializer},
        examples=[_CODE],
    )
    def post(self, request: Request, promotion_id: str) -> HttpResponse:
        draft = CodeDraft(**CodeRequestSerializer.check(request.data))
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))

        def work() -> StoredResponse:
            return stored(201, present_code(add_code(promotion.id, draft)))

        return self.run(request, caller=f"{self.seller(request)} {promotion.id}", work=work)


class PromotionCodeDisableView(ForSellers, APIView):
    """Safe to repeat."""

    @extend_schema(
        operation_id="promotion_codes_disable",
        tags=_TAGS,
        summary="Let one code give nothing any more",
        request=None,
        responses=PromotionCodeSerializer,
    )
    def post(self, request: Request, promotion_id: str, promotion_code_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        code = get_code(promotion_code_id, promotion_id=promotion.id)
        return Response(present_code(set_code_enabled(code.id, is_enabled=False)))


class PromotionBatchListView(ForSellers, IdempotentView):
    route = "POST /promotions/code-batches"

    @extend_schema(
        operation_id="promotion_code_batches_create",
        tags=_TAGS,
        summary="Have up to 100,000 codes made",
        description="They are made in the background: show the batch until it is `done`, then list its codes.",
        request=BatchRequestSerializer,
        responses={201: PromotionCodeBatchSerializer},
        examples=[_BATCH],
    )
    def post(self, request: Request, promotion_id: str) -> HttpResponse:
        wish = BatchRequestSerializer.check(request.data)
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))

        def work() -> StoredResponse:
            draft = BatchDraft(requested_by=str(request.user.pk), **wish)
            return stored(201, present_batch(add_batch(promotion.id, draft)))

        return self.run(request, caller=f"{self.seller(request)} {promotion.id}", work=work)


class PromotionBatchView(ForSellers, APIView):
    @extend_schema(
        operation_id="promotion_code_batches_show",
        tags=_TAGS,
        summary="Show how far a batch of codes is",
        responses=PromotionCodeBatchSerializer,
    )
    def get(self, request: Request, promotion_id: str, code_batch_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        return Response(present_batch(get_batch(code_batch_id, promotion_id=promotion.id)))


class PromotionUseListView(ForSellers, APIView):
    @extend_schema(
        operation_id="promotion_uses_list",
        tags=_TAGS,
        summary="List who used a promotion for what, newest first",
        parameters=[OpenApiParameter("status", str, description="Only these: `taken`, `used`, `released`.")],
        responses=page_of(PromotionUseSerializer),
    )
    def get(self, request: Request, promotion_id: str) -> Response:
        promotion = get_promotion(promotion_id, merchant_id=self.seller(request))
        rows = Redemption.objects.filter(promotion=promotion).select_related("code")
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        return page_response(request, rows, view=self, present=present_redemption)


class GuessThrottle(ScopedThrottle):
    """People may guess slowly; a merchant's server asks for many people, and knows its own codes anyway."""

    def allow_request(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, MerchantCaller) or super().allow_request(request, view)


class PromotionCheckView(APIView):
    """Guessing is slow: few tries a minute, and one answer for whatever is no good."""

    throttle_classes = [CallerThrottle, GuessThrottle]
    throttle_scope = "promotion_check"
    may_be_not_possible = True

    @extend_schema(
        operation_id="promotions_check",
        tags=_TAGS,
        summary="Look at what a code would give",
        description=(
            "For a merchant's server: its own codes, on an order. For a person: codes for the platform's memberships. "
            "Nothing is held; whoever buys first has it. `promotion_code_not_valid` is the answer for every code that "
            "is unknown, over, used up or somebody else's."
        ),
        request=CheckSerializer,
        responses=CheckAnswerSerializer,
        examples=[_CHECK],
    )
    def post(self, request: Request) -> Response:
        data = CheckSerializer.check(request.data)
        amount = Money(data["amount_minor"], data["currency"])
        purchase = _purchase(request, data, amount=amount)
        now = database_now(subject=purchase.user_id)
        found = quote(data["code"], purchase, now=now)
        return Response(
            {
                "object": "promotion_quote",
                "code": normal_code(data["code"]),
                "description": found.description,
                "currency": amount.currency,
                "discount_minor": found.discount.minor,
                "amount_minor": (amount - found.discount).minor,
                "free_days": found.free_days,
                "periods": found.periods,
            }
        )


def _purchase(request: Request, data: dict[str, Any], *, amount: Money) -> Purchase:
    """Whether it is their first is not known here; whoever sells looks."""
    named = {name: data[name] for name in ("plan", "price", "interval")}
    if isinstance(request.auth, MerchantCaller):
        return Purchase("", request.auth.merchant_id, amount, kind="order", is_first=True, **named)
    return Purchase(str(request.user.pk), platform_merchant().id, amount, is_first=True, **named)
