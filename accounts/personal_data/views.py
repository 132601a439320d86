"""The signed-in person's archives of what is kept about them."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.personal_data.exporting import export_of, open_export, request_export
from accounts.personal_data.models import DataExport
from accounts.personal_data.serializers import DataExportSerializer, present_export
from accounts.stepup import require_recent_sign_in
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.fields import StrictSerializer
from paycore.pagination import page_of, page_response

_EXPORT = {
    "id": "exp_01jd3mzq5p8y6w2v4k7x9c0d1e",
    "object": "data_export",
    "status": "running",
    "progress": 40,
    "size_bytes": None,
    "download_url": None,
    "expires_at": None,
    "created_at": "2026-11-21T09:30:00Z",
}
_READY = {
    **_EXPORT,
    "status": "ready",
    "progress": 100,
    "size_bytes": 48213,
    "download_url": "/api/v1/me/exports/exp_01jd3mzq5p8y6w2v4k7x9c0d1e/file?token=…",
    "expires_at": "2026-11-22T09:31:00Z",
}


class NothingSerializer(StrictSerializer):
    """An empty object."""


class ExportsView(IdempotentView):
    authentication_classes = [UserAuthentication]
    route = "POST /me/exports"

    @extend_schema(
        operation_id="me_exports_list",
        summary="List the archives of the signed-in user's data",
        tags=["Me"],
        responses=page_of(DataExportSerializer),
        examples=[
            OpenApiExample(
                "One",
                value={"data": [_READY], "next_cursor": None, "previous_cursor": None, "has_more": False},
                response_only=True,
            )
        ],
    )
    def get(self, request: Request) -> Response:
        rows = DataExport.objects.filter(user=signed_in_user(request))
        return page_response(request, rows, view=self, present=present_export)

    @extend_schema(
        operation_id="me_exports_create",
        summary="Ask for an archive of everything that is kept about the signed-in user",
        description="Wants a recent sign-in. Built in the background: look at it again, or wait for the mail.",
        tags=["Me"],
        request=NothingSerializer,
        responses={202: DataExportSerializer},
        examples=[
            OpenApiExample("Everything", value={}, request_only=True),
            OpenApiExample(
                "Waiting",
                value={**_EXPORT, "status": "waiting", "progress": 0},
                response_only=True,
                status_codes=["202"],
            ),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        user = signed_in_user(request)
        require_recent_sign_in(request)
        NothingSerializer.check(request.data)

        def work() -> Any:
            return stored(202, present_export(request_export(user.pk, now=database_now())))

        return self.run(request, caller=user.pk, work=work)


class ExportView(APIView):
    authentication_classes = [UserAuthentication]

    @extend_schema(
        operation_id="me_exports_show",
        summary="Show how far an archive is, and its link once it is ready",
        tags=["Me"],
        responses=DataExportSerializer,
        examples=[
            OpenApiExample("Being built", value=_EXPORT, response_only=True),
            OpenApiExample("Ready", value=_READY, response_only=True),
        ],
    )
    def get(self, request: Request, export_id: str) -> Response:
        return Response(present_export(export_of(signed_in_user(request).pk, export_id)))


class AnyFormat(BaseContentNegotiation):
    """The answer is a file, whatever the caller says to accept; refusals are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExportFileView(APIView):
    authentication_classes = [UserAuthentication]
    content_negotiation_class = AnyFormat

    @extend_schema(
        operation_id="me_exports_download",
        summary="Download an archive",
        description="`data.json` and the receipts in one ZIP file. Follow `download_url`, with the access token.",
        tags=["Me"],
        parameters=[OpenApiParameter("token", str, required=True, description="From `download_url`.")],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, export_id: str) -> HttpResponseBase:
        token = request.query_params.get("token", "")
        export = open_export(signed_in_user(request).pk, export_id, token=token, now=database_now())
        response = StreamingHttpResponse(_pieces(export), content_type="application/zip")
        response["Content-Length"] = str(export.size_bytes)
        response["Content-Disposition"] = f'attachment; filename="{export.id}.zip"'
        response["Cache-Control"] = "no-store"
        return response


def _pieces(export: DataExport) -> Iterator[bytes]:
    numbers = export.parts.order_by("number").values_list("number", flat=True)
    for number in list(numbers):
        yield bytes(export.parts.values_list("content", flat=True).get(number=number))
