"""`/api/v1/merchant-applications` and `/api/v1/merchant-invitations/accept`: app users who act for a business."""

from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from merchants.errors import RoleNotSufficient
from merchants.members.services import accept_invitation
from merchants.models import Merchant, MerchantDocument, MerchantMember
from merchants.onboarding.documents import add_document, remove_document
from merchants.onboarding.serializers import (
    ApplicationChangeSerializer,
    ApplicationRequestSerializer,
    ApplicationSerializer,
    DocumentRequestSerializer,
    DocumentSerializer,
    InvitationAnswerSerializer,
    MerchantMembershipSerializer,
    present_application,
    present_document,
    present_membership,
)
from merchants.onboarding.services import BusinessDetails, apply, change_application, details_of, submit_application
from merchants.queries import get_merchant, membership_at
from paycore.api import IdempotentView, stored
from paycore.idempotency import StoredResponse
from paycore.pagination import page_of, page_response
from paycore.uploads import FilesMissing, TooManyFiles, UploadParser

_TAGS = ["Merchants"]
_REQUEST = OpenApiExample(
    "A shop",
    request_only=True,
    value={
        "name": "Corner Shop",
        "legal_name": "Corner Shop Ltd",
        "business_kind": "company",
        "registration_number": "08123456",
        "country": "SG",
        "home_currency": "SGD",
        "website": "https://shop.example",
        "support_email": "help@shop.example",
    },
)
_APPLICATION = OpenApiExample(
    "Documents are missing",
    response_only=True,
    value={
        "id": "mer_01kaf5n1aa0b1c2d3e4f5g6h7j",
        "object": "merchant_application",
        "status": "draft",
        "name": "Corner Shop",
        "legal_name": "Corner Shop Ltd",
        "business_kind": "company",
        "registration_number": "08123456",
        "country": "SG",
        "home_currency": "SGD",
        "website": "https://shop.example",
        "support_email": "help@shop.example",
        "documents": [],
        "missing": ["registration", "identity", "bank_proof"],
        "returned_because": None,
        "notes": [],
        "created_at": "2026-11-21T10:00:00Z",
    },
)


class _AppUserView(APIView):
    """Merchants' keys are not people: they get 401 here."""

    authentication_classes = [UserAuthentication]


class ApplicationListView(_AppUserView, IdempotentView):
    route = "POST /merchant-applications"

    @extend_schema(
        operation_id="merchant_applications_list",
        tags=_TAGS,
        summary="List your businesses, newest first",
        responses=page_of(ApplicationSerializer),
    )
    def get(self, request: Request) -> Response:
        own = Merchant.objects.filter(members__user=signed_in_user(request), members__role=MerchantMember.Role.OWNER)
        return page_response(request, own, view=self, present=present_application)

    @extend_schema(
        operation_id="merchant_applications_create",
        tags=_TAGS,
        summary="Apply to take money: a draft that you own",
        request=ApplicationRequestSerializer,
        responses={201: ApplicationSerializer},
        examples=[_REQUEST, _APPLICATION],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        details = BusinessDetails(**ApplicationRequestSerializer.check(request.data))

        def work() -> StoredResponse:
            merchant = apply(applicant=user, details=details)
            merchant.refresh_from_db()
            return stored(201, present_application(merchant))

        return self.run(request, caller=user.id, work=work)


class ApplicationView(_AppUserView):
    @extend_schema(
        operation_id="merchant_applications_show",
        tags=_TAGS,
        summary="Show a business of yours, what is missing, and why it was sent back",
        responses=ApplicationSerializer,
        examples=[_APPLICATION],
    )
    def get(self, request: Request, merchant_id: str) -> Response:
        return Response(present_application(_own(request, merchant_id)))

    @extend_schema(
        operation_id="merchant_applications_change",
        tags=_TAGS,
        summary="Change an application that is not under review",
        request=ApplicationChangeSerializer,
        responses=ApplicationSerializer,
        examples=[_APPLICATION],
    )
    def patch(self, request: Request, merchant_id: str) -> Response:
        merchant = _own(request, merchant_id)
        changes = ApplicationChangeSerializer.check(request.data)
        changed = change_application(merchant_id=merchant.id, details=replace(details_of(merchant), **changes))
        return Response(present_application(changed))


class ApplicationSubmitView(_AppUserView):
    """Safe to repeat: a second submission is refused and changes nothing."""

    @extend_schema(
        operation_id="merchant_applications_submit",
        tags=_TAGS,
        summary="Submit an application for review",
        request=None,
        responses=ApplicationSerializer,
    )
    def post(self, request: Request, merchant_id: str) -> Response:
        merchant = _own(request, merchant_id)
        submitted = submit_application(merchant_id=merchant.id, by=signed_in_user(request))
        return Response(present_application(submitted))


class DocumentListView(_AppUserView):
    parser_classes = [UploadParser]

    @extend_schema(
        operation_id="merchant_documents_add",
        tags=_TAGS,
        summary="Upload a document of an application",
        request={"multipart/form-data": DocumentRequestSerializer},
        responses={201: DocumentSerializer},
    )
    def post(self, request: Request, merchant_id: str) -> Response:
        merchant = _own(request, merchant_id)
        sent: dict[str, Any] = dict(request.data)
        files = sent.pop("files")
        if not files:
            raise FilesMissing
        if len(files) > 1:
            raise TooManyFiles(max_files=1)
        document = add_document(
            merchant_id=merchant.id,
            kind=_kind(sent),
            file_name="",
            upload=files[0],
            uploaded_by_id=signed_in_user(request).id,
        )
        document.refresh_from_db(fields=["created_at"])
        return Response(present_document(document), status=201)


class DocumentView(_AppUserView):
    @extend_schema(
        operation_id="merchant_documents_remove",
        tags=_TAGS,
        summary="Remove a document of an application",
        responses={204: None},
    )
    def delete(self, request: Request, merchant_id: str, document_id: str) -> Response:
        merchant = _own(request, merchant_id)
        remove_document(merchant_id=merchant.id, document_id=document_id)
        return Response(status=204)


class InvitationAcceptView(_AppUserView):
    """Safe to repeat: a used invitation is not valid any more and changes nothing."""

    may_be_none = True

    @extend_schema(
        operation_id="merchant_invitations_accept",
        tags=_TAGS,
        summary="Join a merchant that invited you by e-mail",
        request=InvitationAnswerSerializer,
        responses=MerchantMembershipSerializer,
        examples=[OpenApiExample("From the mail", request_only=True, value={"token": "kV3…"})],
    )
    def post(self, request: Request) -> Response:
        data = InvitationAnswerSerializer.check(request.data)
        member = accept_invitation(token=data["token"], user=signed_in_user(request))
        return Response(present_membership(membership_at(member.merchant_id, user_id=member.user_id)))


def _own(request: Request, merchant_id: str) -> Merchant:
    """The caller's own business. NotFound for strangers, RoleNotSufficient for members who do not own it."""
    member = membership_at(merchant_id, user_id=signed_in_user(request).id)
    if member.role != MerchantMember.Role.OWNER:
        raise RoleNotSufficient
    return get_merchant(merchant_id)


def _kind(sent: dict[str, Any]) -> str:
    unknown = sorted(set(sent) - {"kind"})
    if unknown:
        raise ValidationError({unknown[0][:100]: [_("There is no such field here.")]}, code="unknown_field")
    if sent.get("kind") not in MerchantDocument.Kind.values:
        raise ValidationError({"kind": [_("This is no kind of document.")]}, code="invalid_choice")
    return str(sent["kind"])
