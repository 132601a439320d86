"""`/api/v1/subscriptions/{id}/…`: what a member can do with a membership."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in_user
from memberships.catalogue.known import price_of
from memberships.models import Invoice, Subscription
from memberships.subscriptions import examples
from memberships.subscriptions.cancelling import cancel_at_period_end, cancel_now, check_cancel, ends_at_once, resume
from memberships.subscriptions.changing import (
    ChangeQuote,
    ChangeWish,
    change_at_period_end,
    change_now,
    preview_at_period_end,
    preview_change,
    undo_planned_change,
)
from memberships.subscriptions.clearing import ANY_KIND, close_at_gateway
from memberships.subscriptions.collection import Collecting, set_collection
from memberships.subscriptions.pausing import check_pause, pause, unpause
from memberships.subscriptions.presentation import present_billed, present_draft
from memberships.subscriptions.queries import get_subscription
from memberships.subscriptions.recording import Why
from memberships.subscriptions.serializers import (
    BilledSubscriptionSerializer,
    CancelSerializer,
    ChangeSerializer,
    CollectionSerializer,
    NothingSerializer,
    PauseSerializer,
    PreviewSerializer,
)
from memberships.subscriptions.starting import draft_again, preview_start, reactivate
from memberships.subscriptions.views import TAGS, MembersView, StartingView, price_id_of
from paycore import idempotency
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.idempotency import StoredResponse
from paycore.money import Money

CHANGE = (Invoice.Kind.CHANGE,)


class _ActionView(MembersView, IdempotentView):
    """One thing that happens to one membership. ``action`` is the last word of the address."""

    action: str

    def act(
        self,
        request: Request,
        subscription_id: str,
        work: Callable[[str], tuple[Subscription, Invoice | None]],
        *,
        check: Callable[[str], object] | None = None,
        closes: Sequence[str] = (),
    ) -> HttpResponse:
        """``work`` by the caller's id, in one transaction. Payments of open invoices of the kinds ``closes`` are closed
        at the gateway before, when ``check`` refuses nothing."""
        user_id = signed_in_user(request).id
        self.route = f"POST /subscriptions/{subscription_id[:40]}/{self.action}"
        if closes and check and idempotency.look_up(self.key(request, caller=user_id)) is None:
            check(user_id)
            close_at_gateway(subscription_id, kinds=closes)

        def run() -> StoredResponse:
            subscription, invoice = work(user_id)
            return stored(200, present_billed(subscription, invoice))

        return self.run(request, caller=user_id, work=run)


class SubscriptionChangePreviewView(MembersView):
    @extend_schema(
        operation_id="subscriptions_preview_change",
        tags=TAGS,
        summary="What a change would cost, line by line",
        request=ChangeSerializer,
        responses=PreviewSerializer,
        examples=examples.CHANGE,
    )
    def post(self, request: Request, subscription_id: str) -> Response:
        user_id = signed_in_user(request).id
        form = ChangeSerializer.check(request.data)
        wish = _wish(form, get_subscription(subscription_id, user_id=user_id))
        now = database_now(subject=user_id)
        look = preview_at_period_end if form["when"] == "period_end" else preview_change
        return Response(_present_change(look(subscription_id, wish, user_id=user_id, now=now), when=form["when"]))


class SubscriptionChangeView(_ActionView):
    action = "change"

    @extend_schema(
        operation_id="subscriptions_change",
        tags=TAGS,
        summary="Another plan, price or number of seats",
        description="At once with the unused time set off, when the `order` is paid if there is one; or with the next "
        "period.",
        request=ChangeSerializer,
        responses=BilledSubscriptionSerializer,
        examples=examples.CHANGE,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        form = ChangeSerializer.check(request.data)
        found = get_subscription(subscription_id, user_id=signed_in_user(request).id)
        wish = _wish(form, found)

        def now_(user_id: str) -> tuple[Subscription, Invoice | None]:
            changed = change_now(subscription_id, wish, user_id=user_id, why=_why("changed", user_id))
            return changed.subscription, changed.invoice

        def later(user_id: str) -> tuple[Subscription, None]:
            why = _why("change_planned", user_id)
            return change_at_period_end(subscription_id, wish, user_id=user_id, why=why), None

        if form["when"] == "period_end":
            return self.act(request, subscription_id, later)
        check = partial(_check_change, subscription_id, wish)
        return self.act(request, subscription_id, now_, check=check, closes=CHANGE)


class SubscriptionPlannedChangeView(_ActionView):
    action = "keep"

    @extend_schema(
        operation_id="subscriptions_keep",
        tags=TAGS,
        summary="Undo the change that is planned for the next period",
        request=NothingSerializer,
        responses=BilledSubscriptionSerializer,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        NothingSerializer.check(request.data)

        def work(user_id: str) -> tuple[Subscription, None]:
            why = _why("change_undone", user_id)
            return undo_planned_change(subscription_id, user_id=user_id, why=why), None

        return self.act(request, subscription_id, work)


class SubscriptionCancelView(_ActionView):
    action = "cancel"

    @extend_schema(
        operation_id="subscriptions_cancel",
        tags=TAGS,
        summary="End a membership: with its period, or now",
        request=CancelSerializer,
        responses=BilledSubscriptionSerializer,
        examples=examples.CANCEL,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        form = CancelSerializer.check(request.data)
        found = get_subscription(subscription_id, user_id=signed_in_user(request).id)
        is_now = form["when"] == "now"

        def work(user_id: str) -> tuple[Subscription, None]:
            why = _why("canceled", user_id, reason=form["reason"])
            if is_now:
                return cancel_now(subscription_id, user_id=user_id, why=why).subscription, None
            return cancel_at_period_end(subscription_id, user_id=user_id, why=why), None

        closes = ANY_KIND if is_now or ends_at_once(found) else ()
        return self.act(
            request, subscription_id, work, check=lambda _user: check_cancel(found, is_now=is_now), closes=closes
        )


class SubscriptionResumeView(_ActionView):
    action = "resume"

    @extend_schema(
        operation_id="subscriptions_resume",
        tags=TAGS,
        summary="Take back a cancel that waits for the end of the period",
        request=NothingSerializer,
        responses=BilledSubscriptionSerializer,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        NothingSerializer.check(request.data)
        return self.act(
            request,
            subscription_id,
            lambda user: (resume(subscription_id, user_id=user, why=_why("resumed", user)), None),
        )


class SubscriptionPauseView(_ActionView):
    action = "pause"

    @extend_schema(
        operation_id="subscriptions_pause",
        tags=TAGS,
        summary="Put the paid time aside: no access and no charges meanwhile",
        request=PauseSerializer,
        responses=BilledSubscriptionSerializer,
        examples=examples.PAUSE,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        form = PauseSerializer.check(request.data)
        until = form.get("until")

        def check(user_id: str) -> None:
            found = get_subscription(subscription_id, user_id=user_id)
            check_pause(found, until=until, now=database_now(subject=user_id))

        def work(user_id: str) -> tuple[Subscription, None]:
            why = _why("paused", user_id, reason=form["reason"])
            return pause(subscription_id, until=until, user_id=user_id, why=why), None

        return self.act(request, subscription_id, work, check=check, closes=CHANGE)


class SubscriptionUnpauseView(_ActionView):
    action = "unpause"

    @extend_schema(
        operation_id="subscriptions_unpause",
        tags=TAGS,
        summary="Go on after a pause with the time that was put aside",
        request=NothingSerializer,
        responses=BilledSubscriptionSerializer,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        NothingSerializer.check(request.data)
        return self.act(
            request,
            subscription_id,
            lambda user: (unpause(subscription_id, user_id=user, why=_why("unpaused", user)), None),
        )


class SubscriptionCollectionView(_ActionView):
    action = "collection"

    @extend_schema(
        operation_id="subscriptions_collection",
        tags=TAGS,
        summary="How the next period is paid: a saved method, the wallet, or a link",
        description="An overdue period is tried again at once.",
        request=CollectionSerializer,
        responses=BilledSubscriptionSerializer,
        examples=examples.COLLECTION,
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        form = CollectionSerializer.check(request.data)
        collecting = Collecting(form["collected_by"], form["payment_method"])

        def work(user_id: str) -> tuple[Subscription, None]:
            found = get_subscription(subscription_id, user_id=user_id)
            now = database_now(subject=user_id)
            return set_collection(
                subscription_id, collecting, user_id=user_id, amount=_next_amount(found), by=user_id, now=now
            ), None

        return self.act(request, subscription_id, work)


class SubscriptionReactivateView(StartingView):
    @extend_schema(
        operation_id="subscriptions_reactivate",
        tags=TAGS,
        summary="Become a member again, on the terms of a membership that ended",
        request=NothingSerializer,
        responses={201: BilledSubscriptionSerializer},
    )
    def post(self, request: Request, subscription_id: str) -> HttpResponse:
        NothingSerializer.check(request.data)
        user = signed_in_user(request)
        self.route = f"POST /subscriptions/{subscription_id[:40]}/reactivate"
        now = database_now(subject=user.id)
        return self.start(
            request,
            user,
            check=lambda: preview_start(draft_again(subscription_id, user=user), now=now),
            work=lambda: reactivate(subscription_id, user=user, now=database_now(subject=user.id)),
        )


def _why(kind: str, user_id: str, *, reason: str = "") -> Why:
    return Why(kind, user_id, database_now(subject=user_id), reason=reason)


def _wish(form: dict[str, Any], subscription: Subscription) -> ChangeWish:
    price_id = price_id_of(form, currency=subscription.currency)
    return ChangeWish(price_id, form.get("quantity"), form.get("quoted_at"), form["promotion_code"])


def _check_change(subscription_id: str, wish: ChangeWish, user_id: str) -> None:
    preview_change(subscription_id, wish, user_id=user_id, now=database_now(subject=user_id))


def _next_amount(subscription: Subscription) -> Money:
    """What a saved method must be good for: the plan alone, for tax and seats are known when the invoice is made."""
    price_id = subscription.next_price_id or subscription.price_id
    return price_of(price_id).amount if price_id else Money.zero(subscription.currency or "USD")


def _present_change(quoted: ChangeQuote, *, when: str) -> dict[str, Any]:
    return {
        "object": "subscription_preview",
        "price": quoted.wanted.price.id,
        "quantity": quoted.wanted.quantity,
        "effective_at": quoted.effective_at,
        "trial_ends_at": None,
        "period_ends_at": quoted.ends_at,
        "is_due_now": when == "now" and quoted.draft is not None,
        "invoice": present_draft(quoted.draft) if quoted.draft else None,
    }
