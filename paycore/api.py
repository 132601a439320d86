"""What every endpoint that creates something shares: the Idempotency-Key, and answers kept byte for byte."""

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import APIView

from paycore.idempotency import Key, StoredResponse, read_key, run_atomically


def stored(status: int, document: dict[str, Any]) -> StoredResponse:
    """``document`` as the bytes that are answered now and replayed later."""
    body = json.dumps(document, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":")).encode()
    return StoredResponse(status=status, body=body)


class IdempotentView(APIView):
    """A POST that demands an Idempotency-Key. ``route`` is the key's scope beside the caller."""

    idempotent = True
    route: str

    def key(self, request: Request, *, caller: str) -> Key:
        return read_key(
            header=request.headers.get("Idempotency-Key"), caller=caller, route=self.route, body=request.data
        )

    def run(self, request: Request, *, caller: str, work: Callable[[], StoredResponse]) -> HttpResponse:
        """Work that is one database transaction."""
        return answer(run_atomically(self.key(request, caller=caller), work))


def answer(response: StoredResponse) -> HttpResponse:
    http_response = HttpResponse(response.body, status=response.status, content_type="application/json")
    if response.is_replay:
        http_response["Idempotent-Replayed"] = "true"
    return http_response
