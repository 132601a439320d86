"""Who may call an endpoint of the API."""

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from merchants.authentication import MerchantCaller


class IsMerchantServer(BasePermission):
    """A merchant's server with an API key; ``request.auth.merchant_id`` is its tenant."""

    security_scheme = "merchantKey"

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, MerchantCaller)


class IsAppUser(BasePermission):
    """A person signed in to the app."""

    security_scheme = "userToken"

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, AbstractBaseUser) and request.user.is_authenticated
