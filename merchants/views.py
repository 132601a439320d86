"""`/api/v1/merchant/me`: whom an API key speaks for."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.authentication import MerchantCaller
from merchants.models import ApiKey, Merchant
from merchants.permissions import IsMerchantServer


class KeySerializer(serializers.Serializer[ApiKey]):
    """Shape of an API key in answers; its secret was shown once."""

    id = serializers.CharField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    access = serializers.ChoiceField(choices=ApiKey.Access.choices)
    expires_at = serializers.DateTimeField(allow_null=True)


class MerchantMeSerializer(serializers.Serializer[Any]):
    """Shape of a merchant and the key that asked."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["merchant"])
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Merchant.Status.choices)
    country = serializers.CharField()
    home_currency = serializers.CharField()
    key = KeySerializer()


_ME = OpenApiExample(
    "A merchant",
    response_only=True,
    value={
        "id": "mer_01kaf5n1aa0b1c2d3e4f5g6h7j",
        "object": "merchant",
        "name": "Corner Shop",
        "status": "approved",
        "country": "SG",
        "home_currency": "SGD",
        "key": {
            "id": "key_01kaf5n8xw4q2m7r9t3v6y8z0b",
            "name": "production",
            "prefix": "sk_Ab3dE",
            "access": "full",
            "expires_at": None,
        },
    },
)


class MerchantMeView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="merchant_me",
        tags=["Merchants"],
        summary="Show whom the API key speaks for",
        responses=MerchantMeSerializer,
        examples=[_ME],
    )
    def get(self, request: Request) -> Response:
        caller = cast("MerchantCaller", request.auth)
        key = ApiKey.objects.select_related("merchant").get(id=caller.key_id)
        return Response(
            {
                "id": key.merchant_id,
                "object": "merchant",
                "name": key.merchant.name,
                "status": str(key.merchant.status),
                "country": key.merchant.country,
                "home_currency": key.merchant.home_currency,
                "key": {
                    "id": key.id,
                    "name": key.name,
                    "prefix": key.prefix,
                    "access": key.access,
                    "expires_at": key.expires_at,
                },
            }
        )
