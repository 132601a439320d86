"""What was sent, for developers: a sandbox has no mailboxes and no phones."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from paycore.errors import NotFound
from paycore.fields import StrictCharField, StrictSerializer
from paycore.notifications.models import Notification
from paycore.notifications.rendering import render
from paycore.notifications.services import sent_to_key
from paycore.throttling import AddressThrottle

_MOST = 20
_EXAMPLE = {
    "data": [
        {
            "template": "code",
            "subject": "123456 is your code",
            "text": "Your code is 123456 …",
            "code": "123456",
            "created_at": "2026-11-22T09:30:00Z",
        }
    ]
}


class MessagesQuery(StrictSerializer):
    to = StrictCharField(max_length=254)


class SentMessage(serializers.Serializer[Any]):
    template = serializers.CharField(help_text=_("Which message it is."))
    subject = serializers.CharField(help_text=_("Of a short message: the whole."))
    text = serializers.CharField(help_text=_("The mail as plain text."))
    code = serializers.CharField(allow_null=True, help_text=_("The code in it."))
    created_at = serializers.DateTimeField()


class SentMessages(serializers.Serializer[Any]):
    data = SentMessage(many=True)  # type: ignore[assignment]  # DRF has a property of that name


class SandboxMessagesView(APIView):
    """404 unless ``PAYCORE_SHOW_MESSAGES``: who can read codes can be anybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="sandbox_messages_list",
        summary="Read the codes sent to an address (sandbox only)",
        description=(
            "Sign-in codes and account messages to one e-mail address or phone number, newest first. "
            "On a development sandbox only; elsewhere this is 404."
        ),
        tags=["Sandbox"],
        auth=[],
        parameters=[OpenApiParameter("to", str, required=True, description="E-mail address or number in E.164.")],
        responses=SentMessages,
        examples=[OpenApiExample("A code", value=_EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        if not settings.PAYCORE_SHOW_MESSAGES:
            raise NotFound
        to = MessagesQuery.check(request.query_params.dict())["to"]
        wanted = Q(key__startswith=sent_to_key(to)) | Q(user_id__in=_users_at(to))
        rows = Notification.objects.filter(wanted).order_by("-id")[:_MOST]
        return Response({"data": [_shown(row) for row in rows]})


def _users_at(address: str) -> list[str]:
    at_address = Q(email__iexact=address) | Q(phone=address)
    return [str(user_id) for user_id in get_user_model().objects.filter(at_address).values_list("pk", flat=True)]


def _shown(row: Notification) -> dict[str, Any]:
    message = render(row.template, context=row.context, language=row.language)
    return {
        "template": row.template,
        "subject": message.subject,
        "text": message.text,
        "code": row.context.get("code"),
        "created_at": row.created_at,
    }
