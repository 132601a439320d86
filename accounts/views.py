"""The signed-in person's own profile. Signing up and in is allauth's, under ``/api/v1/auth/``."""

from typing import cast

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication
from accounts.models import User
from accounts.serializers import MeSerializer
from accounts.services import update_profile

_PERSON = {
    "id": "usr_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "email": "ada@example.com",
    "is_email_verified": True,
    "phone": None,
    "is_phone_verified": False,
    "name": "Ada",
    "locale": "en",
    "currency": "USD",
    "avatar_url": "",
    "kyc_level": 0,
    "created_at": "2026-11-21T09:30:00Z",
}


class MeView(APIView):
    """Merchants' keys are not people: they get 401 here."""

    authentication_classes = [UserAuthentication]

    @extend_schema(
        operation_id="me_show",
        summary="Show the signed-in user",
        tags=["Me"],
        responses=MeSerializer,
        examples=[OpenApiExample("A user", value=_PERSON, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(request.user).data)

    @extend_schema(
        operation_id="me_update",
        summary="Change name, language, currency or picture",
        tags=["Me"],
        request=MeSerializer,
        responses=MeSerializer,
        examples=[
            OpenApiExample("Speak Chinese", value={"locale": "zh-hans", "currency": "CNY"}, request_only=True),
            OpenApiExample("A user", value=_PERSON | {"locale": "zh-hans", "currency": "CNY"}, response_only=True),
        ],
    )
    def patch(self, request: Request) -> Response:
        changes = MeSerializer(data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        user = update_profile(cast("User", request.user), **changes.validated_data)
        return Response(MeSerializer(user).data)
