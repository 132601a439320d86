"""The signed-in person's identity checks."""

from typing import Any, cast

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.kyc.models import KycCase
from accounts.kyc.serializers import (
    IdentityCheckSerializer,
    IdentityInputSerializer,
    IdentitySerializer,
    IdentityTextSerializer,
    present_check,
)
from accounts.kyc.services import IdentityDocument, submit_identity
from accounts.stepup import require_recent_sign_in
from paycore.api import IdempotentView, answer, stored
from paycore.clock import database_now
from paycore.idempotency import read_key, run_atomically
from paycore.parsers import UnsupportedMediaType
from paycore.uploads import Upload, UploadParser

SHOWN = 20

_CHECK = {
    "id": "kyc_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "object": "identity_check",
    "status": "submitted",
    "document_type": "passport",
    "country": "FR",
    "reason": None,
    "reviewed_at": None,
    "created_at": "2026-11-21T09:30:00Z",
}


class IdentityUploadParser(UploadParser):
    """The document's number is looked at by the service, which knows national identity numbers."""

    unsearched_fields = frozenset({"document_number"})


class IdentityView(IdempotentView):
    authentication_classes = [UserAuthentication]
    parser_classes = [IdentityUploadParser]
    route = "POST /me/kyc"

    @extend_schema(
        operation_id="me_identity_show",
        summary="Show how well the signed-in user is known",
        tags=["Me"],
        responses=IdentitySerializer,
        examples=[OpenApiExample("Under review", value={"level": 1, "checks": [_CHECK]}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        user = signed_in_user(request)
        cases = KycCase.objects.filter(user=user).defer("number").order_by("-id")[:SHOWN]
        return Response({"level": user.kyc_level, "checks": [present_check(case) for case in cases]})

    @extend_schema(
        operation_id="me_identity_submit",
        summary="Send an identity document for review",
        description=(
            "Wants a recent sign-in. Staff look at it; the answer comes by mail. Files are kept sealed and deleted "
            "after the decision."
        ),
        tags=["Me"],
        request={"multipart/form-data": IdentityInputSerializer},
        responses={201: IdentityCheckSerializer},
        examples=[OpenApiExample("Waiting for review", value=_CHECK, response_only=True, status_codes=["201"])],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        require_recent_sign_in(request)
        sent = _sent(request)
        files = cast("list[Upload]", sent.pop("files"))
        values = IdentityTextSerializer.check(sent)
        key = read_key(
            header=request.headers.get("Idempotency-Key"),
            caller=user.pk,
            route=self.route,
            body={**sent, "files": [upload.sha256 for upload in files]},
        )
        document = IdentityDocument(
            document_type=values["document_type"],
            country=values["country"],
            number=values["document_number"],
            files=tuple(files),
        )

        def work() -> Any:
            return stored(201, present_check(submit_identity(user.pk, document=document, now=database_now())))

        return answer(run_atomically(key, work))


def _sent(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict) or "files" not in request.data:
        raise UnsupportedMediaType
    return dict(request.data)
