"""The e-mail step of signing in: a code is sent at sign-up, and the person may go on before typing it."""

from typing import Any

from allauth.account import stages
from allauth.account.adapter import get_adapter
from allauth.account.app_settings import EmailVerificationMethod
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django.http import HttpRequest


class EmailVerificationStage(stages.EmailVerificationStage):  # type: ignore[misc]  # allauth ships no types
    """allauth's stage with verification by code, yet not in the way of a first purchase."""

    def handle(self) -> tuple[Any, bool]:
        if self.login.user is None:
            raise address_taken(self.request)
        self.login.email_verification = EmailVerificationMethod.OPTIONAL
        answer: tuple[Any, bool] = super().handle()
        return answer


def address_taken(request: HttpRequest) -> ImmediateHttpResponse:
    """Said openly: a sign-up that answers with tokens tells anyway whether the address was free; limits slow asking."""
    return ImmediateHttpResponse(ErrorResponse(request, exception=get_adapter().validation_error("email_taken")))
