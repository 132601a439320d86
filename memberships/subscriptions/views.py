"""`/api/v1/membership` and `/api/v1/subscriptions`: a person's own."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.models import User
from memberships.models import Invoice, Subscription
from memberships.subscriptions import examples
from memberships.subscriptions.clearing import close_at_gateway
from memberships.subscriptions.collection import Collecting
from memberships.subscriptions.offers import find_price
from memberships.subscriptions.presentation import (
    present_billed,
    present_change,
    present_draft,
    present_period,
    present_subscription,
)
from memberships.subscriptions.queries import (
    get_subscription,
    history_of,
    membership_of,
    periods_of,
    subscriptions_of,
    unfinished_subscription,
)
from memberships.subscriptions.serializers import (
    BilledSubscriptionSerializer,
    MembershipSerializer,
    PeriodSerializer,
    PreviewSerializer,
    SubscribeSerializer,
    SubscriptionChangeSerializer,
    SubscriptionSerializer,
)
from memberships.subscriptions.starting import StartDraft, Started, StartQuote, preview_start, subscribe
from merchants.permissions import IsAppUser
from paycore import idempotency
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.idempotency import StoredResponse
from paycore.pagination import page_of, page_response
from paycore.throttling import CallerThrottle

TAGS = ["Memberships"]
_STATUS = OpenApiParameter("status", str, enum=Subscription.Status.values, description="Only these.")


class MembersView(APIView):
    """For a person signed in to the app."""

    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]


class _GuessThrottle(CallerThrottle):
    scope = "promotion_check"


class MayNameCodeView(MembersView):
    """Takes a promotion code, and says whether it is good: guessing is as slow here as where codes are looked up."""

    def count_guess(self, request: Request, code: str) -> None:
        throttle = _GuessThrottle()
        if code and not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 0.0)


class StartingView(MembersView, IdempotentView):
    """Makes a subscription. A try that was never paid makes room: its payments are closed at the gateway first, with no
    transaction open."""

    def start(
        self, request: Request, user: User, check: Callable[[], Any], work: Callable[[], Started]
    ) -> HttpResponse:
        if idempotency.look_up(self.key(request, caller=user.id)) is None:
            check()
            unfinished = unfinished_subscription(user.id)
            if unfinished is not None:
                close_at_gateway(unfinished.id, kinds=(Invoice.Kind.START,))

        def create() -> StoredResponse:
            started = work()
            return stored(201, present_billed(started.subscription, started.invoice))

        return self.run(request, caller=user.id, work=create)


class SubscriptionListView(StartingView, MayNameCodeView):
    route = "POST /subscriptions"

    @extend_schema(
        operation_id="subscriptions_list",
        tags=TAGS,
        summary="List my memberships, newest first",
        parameters=[_STATUS],
        responses=page_of(SubscriptionSerializer),
    )
    def get(self, request: Request) -> Response:
        rows = subscriptions_of(signed_in_user(request).id)
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        return page_response(request, rows, view=self, present=present_subscription)

    @extend_schema(
        operation_id="subscriptions_create",
        tags=TAGS,
        summary="Become a member: at once, on trial, or later",
        description="When money is due the answer has an `order`: the membership begins when it is paid.",
        request=SubscribeSerializer,
        responses={201: BilledSubscriptionSerializer},
        examples=examples.SUBSCRIBE,
    )
    def post(self, request: Request) -> HttpResponse:
        form = SubscribeSerializer.check(request.data)
        self.count_guess(request, form["promotion_code"])
        user = signed_in_user(request)
        now = database_now(subject=user.id)
        draft = draft_of(form, user=user)
        return self.start(
            request,
            user,
            check=lambda: preview_start(draft, now=now),
            work=lambda: subscribe(draft, now=database_now(subject=user.id)),
        )


class SubscriptionPreviewView(MayNameCodeView):
    may_be_not_possible = True

    @extend_schema(
        operation_id="subscriptions_preview",
        tags=TAGS,
        summary="What becoming a member would cost, line by line",
        request=SubscribeSerializer,
        responses=PreviewSerializer,
        examples=examples.SUBSCRIBE,
    )
    def post(self, request: Request) -> Response:
        form = SubscribeSerializer.check(request.data)
        self.count_guess(request, form["promotion_code"])
        user = signed_in_user(request)
        now = database_now(subject=user.id)
        return Response(_present_start(preview_start(draft_of(form, user=user), now=now)))


class SubscriptionView(MembersView):
    @extend_schema(
        operation_id="subscriptions_show", tags=TAGS, summary="Show a membership", responses=SubscriptionSerializer
    )
    def get(self, request: Request, subscription_id: str) -> Response:
        found = get_subscription(subscription_id, user_id=signed_in_user(request).id)
        return Response(present_subscription(found))


class SubscriptionPeriodListView(MembersView):
    keyset_ordering = ("-number", "-id")

    @extend_schema(
        operation_id="subscription_periods_list",
        tags=TAGS,
        summary="List the periods of a membership, newest first",
        responses=page_of(PeriodSerializer),
    )
    def get(self, request: Request, subscription_id: str) -> Response:
        found = get_subscription(subscription_id, user_id=signed_in_user(request).id)
        return page_response(request, periods_of(found), view=self, present=present_period)


class SubscriptionHistoryView(MembersView):
    @extend_schema(
        operation_id="subscription_history_list",
        tags=TAGS,
        summary="What happened to a membership, who did it and why, newest first",
        responses=page_of(SubscriptionChangeSerializer),
    )
    def get(self, request: Request, subscription_id: str) -> Response:
        found = get_subscription(subscription_id, user_id=signed_in_user(request).id)
        return page_response(request, history_of(found), view=self, present=present_change)


class MembershipView(MembersView):
    @extend_schema(
        operation_id="membership_show", tags=TAGS, summary="My membership now", responses=MembershipSerializer
    )
    def get(self, request: Request) -> Response:
        user = signed_in_user(request)
        found = membership_of(user.id, now=database_now(subject=user.id))
        subscription, grant, plan = found.subscription, found.grant, found.plan
        counts = subscription if grant is None else None
        is_member = grant is not None or (plan is not None and plan.tier.rank > 0)
        starts_at = grant.starts_at if grant else (counts.period_started_at if counts and is_member else None)
        ends_at = grant.ends_at if grant else (counts.period_ends_at if counts and is_member else None)
        return Response(
            {
                "object": "membership",
                "tier": plan.tier.code if plan else None,
                "plan": plan.code if plan else None,
                "plan_name": plan.name(get_language() or "en") if plan else None,
                "status": "active" if is_member else "free",
                "period_started_at": starts_at,
                "period_ends_at": ends_at,
                "paid_until": ends_at,
                "grant": grant.id if grant else None,
                "subscription": present_subscription(subscription) if subscription else None,
            }
        )


def draft_of(form: dict[str, Any], *, user: User) -> StartDraft:
    method = form["payment_method"]
    return StartDraft(
        user=user,
        price_id=price_id_of(form),
        quantity=form.get("quantity"),
        country=form["country"],
        time_zone=form["time_zone"],
        starts_at=form.get("starts_at"),
        promotion_code=form["promotion_code"],
        collecting=Collecting("method" if method else form["collected_by"], method),
    )


def price_id_of(form: dict[str, Any], *, currency: str = "") -> str:
    """The price that the form names, by its id or by the plan; empty when it names none."""
    if "plan" not in form:
        return str(form.get("price", ""))
    price = find_price(
        form["plan"],
        currency=form.get("currency", currency),
        interval=form.get("interval", "month"),
        interval_count=form.get("interval_count", 1),
    )
    return price.id


def _present_start(quoted: StartQuote) -> dict[str, Any]:
    return {
        "object": "subscription_preview",
        "price": quoted.price.id,
        "quantity": quoted.quantity,
        "effective_at": quoted.begins_at,
        "trial_ends_at": quoted.trial_ends_at,
        "period_ends_at": quoted.ends_at,
        "is_due_now": quoted.is_due_now,
        "invoice": present_draft(quoted.draft),
    }
