"""What the payer sees at ``/pay/{session}``. The session's id in the address is all that paying takes; what is the
payer's own (saved methods, the wallet) shows only in the browser that :mod:`payments.checkout.payers` knows."""

import re
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh, reswap, retarget

from paycore.clock import now
from paycore.errors import NotFound, PaycoreError
from paycore.idempotency import Key, KeyTaken, StoredResponse, read_key
from paycore.identifiers import new_id
from paycore.throttling import client_address
from payments.checkout.attempts import count_attempt, give_up_attempt
from payments.checkout.browsers import Browser, browser_of
from payments.checkout.card_form import STRIPE_CSP, STRIPE_PERMISSIONS
from payments.checkout.languages import with_language_choice
from payments.checkout.models import CheckoutSession
from payments.checkout.offers import is_saveable, offers_of
from payments.checkout.pages import QUICK_POLLS, PayPage, build_page, poll_delay_seconds
from payments.checkout.payers import PARAMETER, exchange_payer_token, payer_of, remember_payer
from payments.checkout.presentation import TEST_CARDS, TEST_TOKENS, refusal_text
from payments.checkout.services import get_session, session_state, start_payment
from payments.errors import MethodNotAvailable, OrderChanged, OrderHasExpired, OrderNotOpen, PaymentInProgress
from payments.methods.queries import get_method
from payments.methods.saving import refuse_too_many
from payments.methods.services import note_use
from payments.orders.clearance import Payer, PayInstruction
from payments.orders.models import Order, Payment
from payments.orders.saved_methods import WALLET

_SESSION_ID = re.compile(r"cs_[0-9a-z]{26}\Z")
_MOST_POLLS = 10_000


class SessionView(View):
    """Finds the session, or shows a page that says there is none."""

    session: CheckoutSession
    payer_id: str
    browser: Browser

    @method_decorator(never_cache)
    @method_decorator(with_language_choice)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.session = _find_session(kwargs.pop("session_id"))
        except NotFound:
            return render(request, "checkout/missing.html", status=404)
        self.payer_id, self.browser = payer_of(request, self.session), browser_of(request)
        return super().dispatch(request, *args, **kwargs)

    def page(self) -> PayPage:
        state = session_state(self.session)
        is_asked = state.phase in ("choose", "failed")
        return build_page(
            state,
            offers=offers_of(self.session, payer_id=self.payer_id, browser=self.browser) if is_asked else [],
            payer_id=self.payer_id,
            now=now(),
            locale=get_language() or settings.LANGUAGE_CODE,
        )

    def show(
        self, request: HttpRequest, *, refusal: PaycoreError | None = None, more: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page as it is now, with what was refused."""
        page = self.page()
        context = _context(page, polls=0) | {"has_returned": "returned" in request.GET} | (more or {})
        if refusal is None:
            return _render_page(request, page, context, status=200)
        context["refusal"] = refusal_text(refusal)
        return _render_page(request, page, context, status=refusal.http_status)

    def back_to_page(self, query: str = "") -> HttpResponse:
        """303: a reload of what follows repeats nothing."""
        response = HttpResponseRedirect(f"/pay/{self.session.id}{query}")
        response.status_code = 303
        return response


class PayView(SessionView):
    """The hosted checkout page, and the start of a payment on it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if PARAMETER in request.GET:
            return self._meet_payer(request)
        return self.show(request)

    def _meet_payer(self, request: HttpRequest) -> HttpResponse:
        """The token is used up and leaves the address bar, whether or not it was good."""
        response = self.back_to_page()
        if exchange_payer_token(self.session, request.GET.get(PARAMETER, "")):
            remember_payer(response, self.session)
        return response

    def post(self, request: HttpRequest) -> HttpResponse:
        """Works without scripts. Sent twice with the same hidden key, it pays once."""
        try:
            count_attempt(self.session)
            self._require_same_total(request)
            instruction = self._instruction(request)
            payment = start_payment(
                self.session, instruction, key=self._key(request, instruction), render=_remember_page
            )
        except (KeyTaken, PaymentInProgress, OrderNotOpen, OrderHasExpired):
            return self.back_to_page()
        except PaycoreError as refusal:
            self.session.order.refresh_from_db()
            return self.show(request, refusal=refusal)
        if instruction.saved:
            note_use(instruction.saved)
        goes_elsewhere = (payment.action or {}).get("kind") == "redirect"
        return self.back_to_page("?go=1" if goes_elsewhere else "")

    def _require_same_total(self, request: HttpRequest) -> None:
        """A code may have been taken off in another window since this form was shown."""
        shown = request.POST.get("amount_minor", "")
        if self.session.order.takes_codes and shown and shown != str(self.session.order.amount_minor):
            raise OrderChanged

    def _instruction(self, request: HttpRequest) -> PayInstruction:
        """What this form asks for. What is the payer's own needs the payer: NotFound, MethodNotAvailable."""
        chosen, payer = request.POST.get("method", ""), Payer(ip=client_address(request))
        if chosen.startswith("pm_"):
            saved = get_method(chosen, user_id=self.payer_id)
            return PayInstruction(method=saved.method, payer=payer, saved=saved)
        if chosen == WALLET and not self.payer_id:
            raise MethodNotAvailable(method=chosen)
        saves = bool(self.payer_id) and request.POST.get(f"save_{chosen}") == "on" and is_saveable(chosen)
        if saves:
            refuse_too_many(self.payer_id)
        options = _options(request, self.session, self.browser)
        return PayInstruction(method=chosen, options=options, payer=payer, saves_method=saves)

    def _key(self, request: HttpRequest, instruction: PayInstruction) -> Key:
        saved = instruction.saved.id if instruction.saved else ""
        body = {"method": instruction.method, "options": instruction.options, "saved": saved}
        return read_key(header=request.POST.get("key"), caller=self.session.id, route="pay-page", body=body)


class StatusView(SessionView):
    """What became of it, asked by the page itself: nothing but the next question until there is news."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("HX-Request") != "true":
            return self.back_to_page()
        page, shown = self.page(), request.GET.get("state", "")
        if shown == page.state:
            return render(request, "checkout/_poller.html", _context(page, polls=_polls(request) + 1))
        response = render(request, "checkout/_news.html", _context(page, polls=0))
        if (page.action and page.action.widget) or page.has_other_total(shown):
            return HttpResponseClientRefresh()  # its script, or the total beside the stage, comes with a whole page
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


def _render_page(request: HttpRequest, page: PayPage, context: dict[str, Any], *, status: int) -> HttpResponse:
    """The page with the provider's card form, whose numbers we must never see, is the only one that loads anything from
    elsewhere."""
    if not (page.action and page.action.widget == "stripe"):
        return render(request, "checkout/pay.html", context, status=status)
    script = {"stripe_script_url": settings.PAYCORE_STRIPE_SCRIPT_URL}
    response = render(request, "checkout/pay.html", context | script, status=status)
    csp_update(STRIPE_CSP)(lambda _request: response)(request)
    response.headers["Permissions-Policy"] = STRIPE_PERMISSIONS
    return response


def _options(request: HttpRequest, session: CheckoutSession, browser: Browser) -> dict[str, str]:
    """What the chosen method wants to know beside the order."""
    method, token = request.POST.get("method", ""), request.POST.get("token", "")
    if method == "card" and settings.PAYCORE_SANDBOX_MODE and token in TEST_TOKENS:
        return {"test_token": token}
    if method == "wechat_jsapi":
        return {"openid": session.wechat_openid}
    return {"scene": "h5"} if method == "alipay_page" and browser.is_phone else {}


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
        "test_cards": TEST_CARDS,
        "is_sandbox": settings.PAYCORE_SANDBOX_MODE,
        "polls": polls,
        "poll_after_seconds": poll_delay_seconds(page.phase, polls=polls),
        "is_slow": polls >= QUICK_POLLS and page.phase == "waiting",
    }
