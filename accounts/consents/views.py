"""Texts in force, for everybody; the signed-in person's consents."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.consents.models import Consent
from accounts.consents.serializers import (
    ConsentDocumentsSerializer,
    ConsentSerializer,
    ConsentsSerializer,
    GiveConsentSerializer,
    WithdrawConsentSerializer,
    present_consent,
    present_document,
)
from accounts.consents.services import (
    Origin,
    documents_in_force,
    give_consent,
    standing_consents,
    withdraw_consent,
)
from paycore.api import IdempotentView, stored
from paycore.throttling import AddressThrottle, client_address

_TEXT = {
    "id": "cnd_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "object": "consent_document",
    "kind": "terms",
    "version": "2026-11",
    "text": "You may use this service …",
    "url": None,
    "published_at": "2026-11-01T00:00:00Z",
}
_CONSENT = {
    "id": "con_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "object": "consent",
    "kind": "terms",
    "document": _TEXT["id"],
    "version": "2026-11",
    "act": "given",
    "at": "2026-11-21T09:30:00Z",
}


class ConsentDocumentsView(APIView):
    authentication_classes = ()
    permission_classes = [AllowAny]
    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="consent_documents_list",
        summary="Show the texts in force",
        description="The terms of service, the privacy notice and what marketing consent means; one text of each kind.",
        tags=["Me"],
        responses=ConsentDocumentsSerializer,
        examples=[OpenApiExample("Terms", value={"data": [_TEXT]}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        return Response({"data": [_shown(document) for document in documents_in_force()]})


class ConsentsView(IdempotentView):
    authentication_classes = [UserAuthentication]
    route = "POST /me/consents"

    @extend_schema(
        operation_id="me_consents_show",
        summary="Show what the signed-in user agreed to, and what is missing",
        tags=["Me"],
        responses=ConsentsSerializer,
        examples=[OpenApiExample("Terms given", value={"data": [_CONSENT], "missing": []}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        standing = list(standing_consents(signed_in_user(request).pk))
        agreed = {consent.document_id for consent in standing if consent.act == Consent.Act.GIVEN}
        missing = [_shown(document) for document in documents_in_force() if document.id not in agreed]
        return Response({"data": [present_consent(consent) for consent in standing], "missing": missing})

    @extend_schema(
        operation_id="me_consents_give",
        summary="Agree to a text",
        tags=["Me"],
        request=GiveConsentSerializer,
        responses={201: ConsentSerializer},
        examples=[
            OpenApiExample("Agree", value={"document": _TEXT["id"]}, request_only=True),
            OpenApiExample("Agreed", value=_CONSENT, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        values = GiveConsentSerializer.check(request.data)
        origin = _origin(request)

        def work() -> Any:
            consent = give_consent(user.pk, document_id=values["document"], origin=origin)
            return stored(201, present_consent(consent))

        return self.run(request, caller=user.pk, work=work)


class WithdrawConsentView(IdempotentView):
    authentication_classes = [UserAuthentication]
    route = "POST /me/consents/withdraw"

    @extend_schema(
        operation_id="me_consents_withdraw",
        summary="Withdraw a consent",
        description="What an account cannot be without (terms, privacy) is withdrawn by closing the account.",
        tags=["Me"],
        request=WithdrawConsentSerializer,
        responses={201: ConsentSerializer},
        examples=[
            OpenApiExample("No more offers", value={"kind": "marketing"}, request_only=True),
            OpenApiExample(
                "Withdrawn",
                value={**_CONSENT, "kind": "marketing", "act": "withdrawn"},
                response_only=True,
                status_codes=["201"],
            ),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        values = WithdrawConsentSerializer.check(request.data)
        origin = _origin(request)

        def work() -> Any:
            return stored(201, present_consent(withdraw_consent(user.pk, kind=values["kind"], origin=origin)))

        return self.run(request, caller=user.pk, work=work)


def _origin(request: Request) -> Origin:
    return Origin.of(address=client_address(request), user_agent=request.headers.get("User-Agent", ""))


def _shown(document: Any) -> dict[str, Any]:
    return present_document(document, language=get_language() or "en")
