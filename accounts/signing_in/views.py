"""What signing in needs beside allauth's endpoints."""

from typing import Any

from allauth.headless.tokens.strategies.jwt.internal import get_token_session
from django.core.exceptions import ValidationError as PasswordRefused
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.signing_in.passwords import set_password_after_code
from accounts.stepup import ReauthenticationRequired
from paycore.fields import StrictCharField, StrictSerializer


class NewPasswordSerializer(StrictSerializer):
    """The password only: who is asking was proved by the code."""

    new_password = StrictCharField(
        max_length=128, help_text=_("At least 10 characters, not a common one, not like the e-mail address or name.")
    )


class PasswordView(APIView):
    """The way out of a forgotten password for people without an e-mail address."""

    authentication_classes = [UserAuthentication]

    @extend_schema(
        operation_id="me_password_replace",
        summary="Set a new password after signing in by code",
        description=(
            "For a forgotten password: sign in with a code (by SMS or e-mail), then call this within five minutes. "
            "The old password is not asked for; every other session ends. Without a fresh code: 401 `reauth_required`."
        ),
        tags=["Me"],
        request=NewPasswordSerializer,
        responses={204: None},
        examples=[OpenApiExample("A phrase", value={"new_password": "five blue walnuts sing"}, request_only=True)],
    )
    def put(self, request: Request) -> Response:
        checked = NewPasswordSerializer.check(request.data)
        claims: dict[str, Any] = request.auth if isinstance(request.auth, dict) else {}
        session = get_token_session(claims)
        if session is None:
            raise ReauthenticationRequired
        try:
            set_password_after_code(signed_in_user(request), password=checked["new_password"], session=session)
        except PasswordRefused as error:
            raise serializers.ValidationError({"new_password": error.messages}) from error
        return Response(status=204)
