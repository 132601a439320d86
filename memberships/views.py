"""`/api/v1/plans`, `/membership`, `/entitlements`."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from memberships.models import Plan
from memberships.queries import membership_of, paid_until, plans_on_sale
from memberships.services import buy_membership
from merchants.permissions import IsAppUser
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.fields import StrictCharField, StrictSerializer
from paycore.idempotency import StoredResponse
from payments.orders.presentation import present_order
from payments.orders.serializers import OrderSerializer


class PriceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    interval = serializers.ChoiceField(choices=["month"])


class PlanSerializer(serializers.Serializer[Plan]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["plan"])
    code = serializers.CharField()
    name = serializers.CharField(help_text=_("In the caller's language."))
    rank = serializers.IntegerField()
    features = serializers.DictField(child=serializers.IntegerField(allow_null=True))
    prices = PriceSerializer(many=True)


class PlanListSerializer(serializers.Serializer[Any]):
    data = PlanSerializer(many=True)  # type: ignore[assignment]  # a field named as a property of the base


class BuySerializer(StrictSerializer):
    price = StrictCharField(max_length=40, help_text=_("A price's id, from /plans."))


class MembershipSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["membership"])
    plan = serializers.CharField(allow_null=True)
    plan_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "free"])
    period_started_at = serializers.DateTimeField(allow_null=True)
    period_ends_at = serializers.DateTimeField(allow_null=True)
    paid_until = serializers.DateTimeField(allow_null=True)


class EntitlementSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True, help_text=_("Per month; null is unlimited."))
    until = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField(help_text=_("A period, or free_plan."))  # type: ignore[assignment]  # as above


class EntitlementListSerializer(serializers.Serializer[Any]):
    data = EntitlementSerializer(many=True)  # type: ignore[assignment]  # as above


class PlanListView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="plans_list", tags=["Memberships"], summary="What is on sale", responses=PlanListSerializer
    )
    def get(self, request: Request) -> Response:
        return Response({"data": [_present_plan(plan) for plan in plans_on_sale()]})


class MembershipOrderView(IdempotentView):
    """Users only: a merchant's server creates its orders at /orders."""

    route = "POST /membership/orders"
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="membership_orders_create",
        tags=["Memberships"],
        summary="Order one month of a plan; pay it with /payments or /checkout-sessions",
        request=BuySerializer,
        responses={201: OrderSerializer},
        examples=[OpenApiExample("Premium", request_only=True, value={"price": "pri_01kaf5m7z8x9c0v1b2n3m4a5s6"})],
    )
    def post(self, request: Request) -> HttpResponse:
        form = BuySerializer.check(request.data)

        def work() -> StoredResponse:
            return stored(201, present_order(buy_membership(signed_in_user(request), price_id=form["price"])))

        return self.run(request, caller=str(request.user.pk), work=work)


class MembershipView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="membership_show", tags=["Memberships"], summary="My membership", responses=MembershipSerializer
    )
    def get(self, request: Request) -> Response:
        user = signed_in_user(request)
        now = database_now(subject=user.id)
        membership = membership_of(user, now=now)
        plan, period = membership.plan, membership.period
        return Response(
            {
                "object": "membership",
                "plan": plan.code if plan else None,
                "plan_name": plan.name(_language()) if plan else None,
                "status": "active" if period else "free",
                "period_started_at": period.starts_at if period else None,
                "period_ends_at": period.ends_at if period else None,
                "paid_until": paid_until(user, plan=period.plan, now=now) if period else None,
            }
        )


class EntitlementListView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="entitlements_list",
        tags=["Memberships"],
        summary="What I may use, and why",
        responses=EntitlementListSerializer,
    )
    def get(self, request: Request) -> Response:
        user = signed_in_user(request)
        membership = membership_of(user, now=database_now(subject=user.id))
        plan, period = membership.plan, membership.period
        data = [
            {
                "feature": feature,
                "limit": limit,
                "until": period.ends_at if period else None,
                "source": period.id if period else "free_plan",
            }
            for feature, limit in sorted((plan.features if plan else {}).items())
        ]
        return Response({"data": data})


def _language() -> str:
    return get_language() or "en"


def _present_plan(plan: Plan) -> dict[str, Any]:
    prices = [
        {"id": price.id, "currency": price.currency, "amount_minor": price.amount_minor, "interval": "month"}
        for price in plan.on_sale  # type: ignore[attr-defined]  # set by plans_on_sale
    ]
    return {
        "id": plan.id,
        "object": "plan",
        "code": plan.code,
        "name": plan.name(_language()),
        "rank": plan.rank,
        "features": plan.features,
        "prices": prices,
    }
