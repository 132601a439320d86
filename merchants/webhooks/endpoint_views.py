"""`/api/v1/merchant/webhook-endpoints`: where a merchant's server wants to be told."""

import json
from collections.abc import Callable
from datetime import timedelta

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.authentication import MerchantCaller
from merchants.permissions import IsMerchantServer
from merchants.webhooks import examples, services
from merchants.webhooks.models import WebhookEndpoint
from merchants.webhooks.presentation import present_delivery, present_endpoint
from merchants.webhooks.serializers import (
    EndpointChangeSerializer,
    EndpointDraftSerializer,
    NothingSerializer,
    ReplayAnswerSerializer,
    ReplaySerializer,
    RotationSerializer,
    WebhookDeliverySerializer,
    WebhookEndpointSecretSerializer,
    WebhookEndpointSerializer,
    changed_draft,
    draft_endpoint,
)
from paycore.api import IdempotentView, stored
from paycore.idempotency import StoredResponse
from paycore.pagination import page_of, page_response

TAG = ["Webhooks"]


def caller_of(request: Request) -> MerchantCaller:
    """The permission class has seen to it that it is a merchant's server."""
    if not isinstance(request.auth, MerchantCaller):
        raise NotAuthenticated
    return request.auth


class _SecretAnswer(IdempotentView):
    """Answers with a fresh signing secret. The kept answer is without it: only the sealed column holds the secret, and
    a replay reads it from there while it is still the one that the answer was about."""

    permission_classes = [IsMerchantServer]

    def run_with_secret(self, request: Request, *, status: int, work: Callable[[], WebhookEndpoint]) -> HttpResponse:
        merchant_id = caller_of(request).merchant_id
        response = self.run(request, caller=merchant_id, work=lambda: stored(status, present_endpoint(work())))
        document = json.loads(response.content)
        endpoint = WebhookEndpoint.objects.filter(merchant_id=merchant_id, id=document["id"]).first()
        is_same = endpoint is not None and endpoint.secret_version == document["secret_version"]
        document["secret"] = endpoint.secret if endpoint is not None and is_same else None
        response.content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        response["Cache-Control"] = "no-store"
        return response


class EndpointListView(_SecretAnswer):
    route = "POST /merchant/webhook-endpoints"

    @extend_schema(
        operation_id="webhook_endpoints_list",
        tags=TAG,
        summary="List webhook endpoints, newest first",
        parameters=examples.PAGE,
        responses=page_of(WebhookEndpointSerializer),
    )
    def get(self, request: Request) -> Response:
        rows = services.endpoints_of(caller_of(request).merchant_id)
        return page_response(request, rows, view=self, present=present_endpoint)

    @extend_schema(
        operation_id="webhook_endpoints_create",
        tags=TAG,
        summary="Create a webhook endpoint; the answer holds its signing secret",
        request=EndpointDraftSerializer,
        responses={201: WebhookEndpointSecretSerializer},
        examples=[examples.ENDPOINT_REQUEST, examples.NEW_ENDPOINT],
    )
    def post(self, request: Request) -> HttpResponse:
        caller, draft = caller_of(request), draft_endpoint(EndpointDraftSerializer.check(request.data))

        def work() -> WebhookEndpoint:
            made = services.create_endpoint(merchant_id=caller.merchant_id, draft=draft, actor=caller.key_id)
            made.refresh_from_db(fields=["created_at"])
            return made

        return self.run_with_secret(request, status=201, work=work)


class EndpointView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_endpoints_show",
        tags=TAG,
        summary="Show a webhook endpoint",
        responses=WebhookEndpointSerializer,
        examples=[examples.ENDPOINT],
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(present_endpoint(services.get_endpoint(caller_of(request).merchant_id, endpoint_id)))

    @extend_schema(
        operation_id="webhook_endpoints_change",
        tags=TAG,
        summary="Change a webhook endpoint's address, description or event types",
        request=EndpointChangeSerializer,
        responses=WebhookEndpointSerializer,
        examples=[examples.ENDPOINT],
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        caller = caller_of(request)
        endpoint = services.get_endpoint(caller.merchant_id, endpoint_id)
        draft = changed_draft(endpoint, EndpointChangeSerializer.check(request.data))
        changed = services.change_endpoint(
            merchant_id=caller.merchant_id, endpoint_id=endpoint.id, draft=draft, actor=caller.key_id
        )
        return Response(present_endpoint(changed))

    @extend_schema(
        operation_id="webhook_endpoints_delete",
        tags=TAG,
        summary="Delete a webhook endpoint; what waits for it is given up",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        caller = caller_of(request)
        services.delete_endpoint(merchant_id=caller.merchant_id, endpoint_id=endpoint_id, actor=caller.key_id)
        return Response(status=204)


class EndpointEnableView(APIView):
    """Safe to repeat: the second answers ``illegal_transition`` and changes nothing."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_endpoints_enable",
        tags=TAG,
        summary="Enable a webhook endpoint again",
        request=None,
        responses=WebhookEndpointSerializer,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        caller = caller_of(request)
        endpoint = services.enable_endpoint(
            merchant_id=caller.merchant_id, endpoint_id=endpoint_id, actor=caller.key_id
        )
        return Response(present_endpoint(endpoint))


class EndpointDisableView(APIView):
    """Safe to repeat: the second answers ``illegal_transition`` and changes nothing."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_endpoints_disable",
        tags=TAG,
        summary="Disable a webhook endpoint; what waits for it is given up",
        request=None,
        responses=WebhookEndpointSerializer,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        caller = caller_of(request)
        endpoint = services.disable_endpoint(
            merchant_id=caller.merchant_id, endpoint_id=endpoint_id, actor=caller.key_id
        )
        return Response(present_endpoint(endpoint))


class EndpointRotationView(_SecretAnswer):
    route = "POST /merchant/webhook-endpoints/{id}/rotate-secret"

    @extend_schema(
        operation_id="webhook_endpoints_rotate_secret",
        tags=TAG,
        summary="Change the signing secret; both sign while they overlap",
        request=RotationSerializer,
        responses=WebhookEndpointSecretSerializer,
        examples=[examples.NEW_ENDPOINT],
    )
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        caller, data = caller_of(request), RotationSerializer.check(request.data)
        self.route = f"POST /merchant/webhook-endpoints/{endpoint_id[:40]}/rotate-secret"

        def work() -> WebhookEndpoint:
            return services.rotate_secret(
                merchant_id=caller.merchant_id,
                endpoint_id=endpoint_id,
                overlap=timedelta(hours=data["overlap_hours"]),
                actor=caller.key_id,
            )

        return self.run_with_secret(request, status=200, work=work)


class EndpointTestView(IdempotentView):
    permission_classes = [IsMerchantServer]
    route = "POST /merchant/webhook-endpoints/{id}/test"

    @extend_schema(
        operation_id="webhook_endpoints_test",
        tags=TAG,
        summary="Send a test event to a webhook endpoint",
        request=NothingSerializer,
        responses={201: WebhookDeliverySerializer},
        examples=[examples.DELIVERY],
    )
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        caller = caller_of(request)
        NothingSerializer.check(request.data)
        self.route = f"POST /merchant/webhook-endpoints/{endpoint_id[:40]}/test"

        def work() -> StoredResponse:
            delivery = services.send_test(merchant_id=caller.merchant_id, endpoint_id=endpoint_id, actor=caller.key_id)
            return stored(201, present_delivery(delivery))

        return self.run(request, caller=caller.merchant_id, work=work)


class EndpointReplayView(APIView):
    """Safe to repeat: what was delivered, or already waits, is not sent again."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_endpoints_replay",
        tags=TAG,
        summary="Send again what a webhook endpoint missed",
        request=ReplaySerializer,
        responses=ReplayAnswerSerializer,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        caller, data = caller_of(request), ReplaySerializer.check(request.data)
        count = services.replay(
            merchant_id=caller.merchant_id, endpoint_id=endpoint_id, after=data["after"], actor=caller.key_id
        )
        return Response({"replayed": count})
