"""The e-mail step of signing in: an address is proved by a code before anybody is let in with it."""

from typing import Any

from allauth.account import stages
from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django.http import HttpRequest


class EmailVerificationStage(stages.EmailVerificationStage):  # type: ignore[misc]  # allauth ships no types
    """allauth's stage, for those who have an e-mail address at all."""

    def handle(self) -> tuple[Any, bool]:
        address = self.login.user.email if self.login.user else self.login.email
        if not address:
            return None, True
        answer: tuple[Any, bool] = super().handle()
        return answer


def address_taken(request: HttpRequest) -> ImmediateHttpResponse:
    """Of two sign-ups at one instant with one address the second learns it; otherwise nobody is told."""
    return ImmediateHttpResponse(ErrorResponse(request, exception=get_adapter().validation_error("email_taken")))
