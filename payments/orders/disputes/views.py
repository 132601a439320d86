"""`/api/v1/merchant/disputes`: what payers' banks take back, and the merchant's answers. For merchants' servers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.permissions import IsMerchantServer
from paycore.pagination import page_of, page_response
from paycore.uploads import FilesMissing, TooManyFiles, UploadParser
from payments.orders import examples
from payments.orders.callers import actor_of, viewer_of
from payments.orders.disputes.answering import accept_dispute, add_file, send_answer, write_texts
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.presentation import present_dispute, present_file
from payments.orders.disputes.queries import disputes_of, get_dispute
from payments.orders.disputes.serializers import (
    DisputeFileSerializer,
    DisputeSerializer,
    EvidenceFileSerializer,
    EvidenceSerializer,
    kind_of,
)

_TAGS = ["Disputes"]
_DISPUTE = OpenApiExample(
    "A dispute that needs an answer",
    response_only=True,
    value={
        "id": "dsp_01kaf5n8xw4q2m7r9t3v6y8z0b",
        "object": "dispute",
        "payment": "pay_01kaf5n8xw4q2m7r9t3v6y8z0b",
        "status": "needs_response",
        "reason": "fraudulent",
        "currency": "USD",
        "amount_minor": 1999,
        "withdrawn_minor": 1999,
        "evidence_due_at": "2026-12-01T00:00:00Z",
        "answer": "open",
        "answer_failure": None,
        "answered_at": None,
        "opened_at": "2026-11-22T10:00:00Z",
        "decided_at": None,
    },
)
_EVIDENCE = OpenApiExample(
    "What was delivered",
    request_only=True,
    value={
        "explanation": "The customer used the service after the date of the dispute.",
        "tracking_number": "1Z999",
        "carrier": "UPS",
        "delivery_date": "2026-11-02",
    },
)


class _OfMerchant(APIView):
    permission_classes = [IsMerchantServer]

    def dispute(self, request: Request, dispute_id: str) -> Dispute:
        return get_dispute(viewer_of(request), dispute_id)


class DisputeListView(_OfMerchant):
    @extend_schema(
        operation_id="merchant_disputes_list",
        tags=_TAGS,
        summary="List the merchant's disputes, newest first",
        parameters=[
            *examples.PAGE,
            OpenApiParameter("status", str, description="Only disputes in this state."),
            OpenApiParameter("payment", str, description="Only disputes of this payment."),
        ],
        responses=page_of(DisputeSerializer),
    )
    def get(self, request: Request) -> Response:
        disputes = disputes_of(viewer_of(request))
        if status := request.query_params.get("status"):
            disputes = disputes.filter(status=status)
        if payment := request.query_params.get("payment"):
            disputes = disputes.filter(payment_id=payment)
        return page_response(request, disputes, view=self, present=present_dispute)


class DisputeView(_OfMerchant):
    @extend_schema(
        operation_id="merchant_disputes_show",
        tags=_TAGS,
        summary="Show a dispute of the merchant",
        responses=DisputeSerializer,
        examples=[_DISPUTE],
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        return Response(present_dispute(self.dispute(request, dispute_id)))


class DisputeEvidenceView(_OfMerchant):
    """Safe to repeat: the texts are replaced."""

    @extend_schema(
        operation_id="merchant_disputes_write",
        tags=_TAGS,
        summary="Write what the answer will say; nothing is sent yet",
        request=EvidenceSerializer,
        responses=DisputeSerializer,
        examples=[_EVIDENCE],
    )
    def put(self, request: Request, dispute_id: str) -> Response:
        dispute = self.dispute(request, dispute_id)
        texts = {name: str(value) for name, value in EvidenceSerializer.check(request.data).items()}
        return Response(present_dispute(write_texts(dispute.id, texts)))


class DisputeDocumentListView(_OfMerchant):
    """Safe to repeat: the same file is kept once."""

    def get_parsers(self) -> list[BaseParser]:
        is_upload = self.request is not None and self.request.method == "POST"
        return [UploadParser()] if is_upload else list(super().get_parsers())

    @extend_schema(
        operation_id="merchant_disputes_files_list",
        tags=_TAGS,
        summary="List the files of an answer",
        responses=page_of(DisputeFileSerializer),
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        files = self.dispute(request, dispute_id).files.defer("content")
        return page_response(request, files, view=self, present=present_file)

    @extend_schema(
        operation_id="merchant_disputes_files_add",
        tags=_TAGS,
        summary="Add a file to an answer; nothing is sent yet",
        request={"multipart/form-data": EvidenceFileSerializer},
        responses={201: DisputeFileSerializer},
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        dispute = self.dispute(request, dispute_id)
        sent: dict[str, Any] = dict(request.data)
        files = sent.pop("files")
        if not files:
            raise FilesMissing
        if len(files) > 1:
            raise TooManyFiles(max_files=1)
        file = add_file(dispute.id, kind=kind_of(sent), file=files[0], uploaded_by=actor_of(request))
        file.refresh_from_db(fields=["created_at"])
        return Response(present_file(file), status=201)


class DisputeSubmitView(_OfMerchant):
    """Safe to repeat: an answer is sent once."""

    @extend_schema(
        operation_id="merchant_disputes_submit",
        tags=_TAGS,
        summary="Send the answer; it is final",
        request=None,
        responses=DisputeSerializer,
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        dispute = self.dispute(request, dispute_id)
        return Response(present_dispute(send_answer(dispute.id, by=actor_of(request))))


class DisputeAcceptView(_OfMerchant):
    """Safe to repeat: it is given up once."""

    @extend_schema(
        operation_id="merchant_disputes_accept",
        tags=_TAGS,
        summary="Give up: the payer keeps the money",
        request=None,
        responses=DisputeSerializer,
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        dispute = self.dispute(request, dispute_id)
        return Response(present_dispute(accept_dispute(dispute.id, by=actor_of(request))))
