"""What a member sees at ``/membership/price-change/{token}``, the address in the letter. Only its form answers: a mail
program that looks at every link decides nothing."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from memberships.models import PriceMove
from memberships.price_changes.answering import agree, refuse, waiting_move
from memberships.price_changes.errors import NoPriceChange
from memberships.price_changes.presentation import present_move
from memberships.price_changes.telling import move_of_token
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from payments.checkout.languages import with_language_choice

_DEEDS = {"agree": agree, "refuse": refuse}


class PriceChangePage(View):
    @method_decorator(never_cache)
    @method_decorator(with_language_choice)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._show(request, token)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        known, deed = _known(token), _DEEDS.get(request.POST.get("answer", ""))
        if known is None or deed is None:
            return self._show(request, token)
        subscription = known.subscription
        now = database_now(subject=subscription.user_id)
        try:
            deed(subscription.id, user_id=subscription.user_id, now=now)
        except PaycoreError as refusal:
            return self._show(request, token, refusal=str(refusal.title), status=refusal.http_status)
        response = HttpResponseRedirect(request.path)
        response.status_code = 303
        return response

    def _show(self, request: HttpRequest, token: str, *, refusal: str = "", status: int = 200) -> HttpResponse:
        known = _known(token)
        if known is None:
            return render(request, "membership/price_change.html", {"facts": None, "refusal": refusal}, status=404)
        return render(
            request, "membership/price_change.html", {"facts": _facts(known), "refusal": refusal}, status=status
        )


def _known(token: str) -> PriceMove | None:
    """Whose answer is still open; None also for a move of another change than the one that is open now."""
    move_id = move_of_token(token)
    move = PriceMove.objects.select_related("subscription").filter(id=move_id).first() if move_id else None
    if move is None:
        return None
    try:
        current = waiting_move(move.subscription_id, user_id=move.subscription.user_id)
    except NoPriceChange:
        return None
    return current if current.id == move.id else None


def _facts(move: PriceMove) -> dict[str, Any]:
    language = get_language() or "en"
    shown = present_move(move)
    return {
        **shown,
        "plan": move.subscription.plan.name(language),
        "old": Money(shown["old_amount_minor"], shown["currency"]).format(language),
        "new": Money(shown["new_amount_minor"], shown["currency"]).format(language),
        "is_rise": shown["answer_by"] is not None,
    }
