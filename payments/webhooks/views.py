"""`/webhooks/{gateway account}`: what providers call."""

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from paycore.errors import PaycoreError
from paycore.parsers import CALLBACK_BODY_BYTES, BodyTooLarge
from paycore.problems import problem_response
from payments.webhooks.services import store_webhook


@method_decorator(csrf_exempt, name="dispatch")
class GatewayWebhookView(View):
    """Acknowledges after the commit, in the provider's exact words; refuses forgeries with 400 and keeps nothing."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        try:
            if int(request.headers.get("Content-Length") or 0) > CALLBACK_BODY_BYTES:
                raise BodyTooLarge
            headers = {name.lower(): value for name, value in request.headers.items()}
            words = store_webhook(account_id, headers=headers, body=request.body)
        except PaycoreError as error:
            return problem_response(request, error)
        return HttpResponse(words.body, status=words.status, content_type=words.content_type)
