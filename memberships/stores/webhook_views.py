"""`/webhooks/app-store/` and `/webhooks/google-play/`: what the stores call."""

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from memberships.stores.apple.receiving import store_apple_notice
from memberships.stores.google.pushes import store_push
from paycore import metrics
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.parsers import CALLBACK_BODY_BYTES, BodyTooLarge
from paycore.problems import problem_response


class _StoreWebhookView(View):
    """Acknowledges after the commit; refuses what is forged or malformed and keeps nothing of it."""

    http_method_names = ["post"]
    store: str

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            if int(request.headers.get("Content-Length") or 0) > CALLBACK_BODY_BYTES:
                raise BodyTooLarge
            is_new = self.keep(request)
        except PaycoreError as error:
            metrics.WEBHOOKS.labels(gateway=self.store, outcome="refused").inc()
            return problem_response(request, error)
        metrics.WEBHOOKS.labels(gateway=self.store, outcome="stored" if is_new else "duplicate").inc()
        return HttpResponse(status=200)

    def keep(self, request: HttpRequest) -> bool:
        raise NotImplementedError


@method_decorator(csrf_exempt, name="dispatch")
class AppStoreWebhookView(_StoreWebhookView):
    store = "app_store"

    def keep(self, request: HttpRequest) -> bool:
        return store_apple_notice(request.body, now=database_now())


@method_decorator(csrf_exempt, name="dispatch")
class GooglePlayWebhookView(_StoreWebhookView):
    store = "google_play"

    def keep(self, request: HttpRequest) -> bool:
        return store_push(request.headers.get("Authorization", ""), request.body)
