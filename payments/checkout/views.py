"""What the payer sees at ``/pay/{session}``. The session's id in the address is the only credential."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache
from django_htmx.http import reswap, retarget

from paycore.clock import now
from paycore.errors import NotFound, PaycoreError
from paycore.idempotency import Key, KeyTaken, StoredResponse, read_key
from paycore.identifiers import new_id
from paycore.throttling import client_address
from payments.checkout.attempts import count_attempt, give_up_attempt
from payments.checkout.languages import with_language_choice
from payments.checkout.models import CheckoutSession
from payments.checkout.pages import QUICK_POLLS, PayPage, build_page, poll_delay_seconds
from payments.checkout.presentation import TEST_CARDS, TEST_TOKENS, refusal_text
from payments.checkout.services import get_session, session_state, start_payment
from payments.errors import OrderHasExpired, OrderNotOpen, PaymentInProgress
from payments.orders.clearance import Payer, PayInstruction
from payments.orders.models import Order, Payment

_SESSION_ID = re.compile(r"cs_[0-9a-z]{26}\Z")
_MOST_POLLS = 10_000


class SessionView(View):
    """Finds the session, or shows a page that says there is none."""

    session: CheckoutSession

    @method_decorator(never_cache)
    @method_decorator(with_language_choice)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.session = _find_session(kwargs.pop("session_id"))
        except NotFound:
            return render(request, "checkout/missing.html", status=404)
        return super().dispatch(request, *args, **kwargs)

    def page(self) -> PayPage:
        return build_page(session_state(self.session), now=now(), locale=get_language() or settings.LANGUAGE_CODE)

    def back_to_page(self, query: str = "") -> HttpResponse:
        """303: a reload of what follows repeats nothing."""
        response = HttpResponseRedirect(f"/pay/{self.session.id}{query}")
        response.status_code = 303
        return response


class PayView(SessionView):
    """The hosted checkout page, and the start of a payment on it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Works without scripts. Sent twice with the same hidden key, it pays once."""
        options = _options(request)
        payer = Payer(ip=client_address(request))
        instruction = PayInstruction(method=request.POST.get("method", ""), options=options, payer=payer)
        try:
            count_attempt(self.session)
            payment = start_payment(
                self.session, instruction, key=self._key(request, instruction), render=_remember_page
            )
        except (KeyTaken, PaymentInProgress, OrderNotOpen, OrderHasExpired):
            return self.back_to_page()
        except PaycoreError as refusal:
            return self._show(request, refusal=refusal)
        goes_elsewhere = (payment.action or {}).get("kind") == "redirect"
        return self.back_to_page("?go=1" if goes_elsewhere else "")

    def _key(self, request: HttpRequest, instruction: PayInstruction) -> Key:
        body = {"method": instruction.method, "options": instruction.options}
        return read_key(header=request.POST.get("key"), caller=self.session.id, route="pay-page", body=body)

    def _show(self, request: HttpRequest, *, refusal: PaycoreError | None = None) -> HttpResponse:
        context = _context(self.page(), polls=0) | {"has_returned": "returned" in request.GET}
        if refusal is None:
            return render(request, "checkout/pay.html", context)
        context["refusal"] = refusal_text(refusal)
        return render(request, "checkout/pay.html", context, status=refusal.http_status)


class StatusView(SessionView):
    """What became of it, asked by the page itself: nothing but the next question until there is news."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("HX-Request") != "true":
            return self.back_to_page()
        page = self.page()
        if request.GET.get("state") == page.state:
            return render(request, "checkout/_poller.html", _context(page, polls=_polls(request) + 1))
        response = render(request, "checkout/_news.html", _context(page, polls=0))
        return retarget(reswap(response, "outerHTML"), "#stage")


class OtherWayView(SessionView):
    """Back from a payment that waits for the payer to the choice of methods."""

    def post(self, request: HttpRequest) -> HttpResponse:
        give_up_attempt(self.session)
        return self.back_to_page()


def _find_session(session_id: str) -> CheckoutSession:
    if not _SESSION_ID.match(session_id):
        raise NotFound
    return get_session(session_id)


def _options(request: HttpRequest) -> dict[str, str]:
    token = request.POST.get("token", "")
    is_test_card = settings.PAYCORE_SANDBOX_MODE and request.POST.get("method") == "card" and token in TEST_TOKENS
    return {"token": token} if is_test_card else {}


def _polls(request: HttpRequest) -> int:
    text = request.GET.get("polls", "")
    return min(int(text), _MOST_POLLS) if re.fullmatch(r"[0-9]{1,6}", text) else 0


def _remember_page(order: Order, payment: Payment) -> StoredResponse:
    """A repeat is answered with the page as it is by then, so only the fact is kept."""
    return StoredResponse(status=303, body=payment.id.encode())


def _context(page: PayPage, *, polls: int) -> dict[str, Any]:
    return {
        "page": page,
        "key": new_id("page"),
        "test_cards": TEST_CARDS if settings.PAYCORE_SANDBOX_MODE else (),
        "is_sandbox": settings.PAYCORE_SANDBOX_MODE,
        "polls": polls,
        "poll_after_seconds": poll_delay_seconds(page.phase, polls=polls),
        "is_slow": polls >= QUICK_POLLS and page.phase == "waiting",
    }
