"""The document and two local readers of it. Nothing is loaded from elsewhere."""

import hashlib
import json
from functools import cache
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

# Both readers write style sheets from JavaScript; Redoc searches in a worker made from a blob.
_READER_CSP: dict[str, Any] = {
    "style-src": ["'unsafe-inline'"],
    "img-src": ["data:"],
    "worker-src": ["'self'", "blob:"],
}


@cache
def document(language: str) -> bytes:
    """The description as JSON. Made once per process and language: routes do not change while it runs."""
    with translation.override(language):
        description = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        rendered: bytes = OpenApiJsonRenderer().render(description)
    return json.dumps(json.loads(rendered), ensure_ascii=False, separators=(",", ":")).encode()


def _etag(request: HttpRequest) -> str:
    return f'"{hashlib.sha256(document(get_language() or "en")).hexdigest()[:32]}"'


@method_decorator(cache_control(public=True, max_age=60), name="dispatch")
@method_decorator(condition(etag_func=_etag), name="dispatch")
class SchemaView(View):
    """``/api/v1/openapi.json``."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(document(get_language() or "en"), content_type="application/json")


@method_decorator(csp_update(_READER_CSP), name="dispatch")
class SwaggerView(SpectacularSwaggerSplitView):
    """Swagger UI; its start-up script is an address of its own, so no inline script is needed."""

    url_name = "openapi"
    template_name = "openapi/swagger.html"


@method_decorator(csp_update(_READER_CSP), name="dispatch")
class RedocView(SpectacularRedocView):
    """Redoc, started by its own tag."""

    url_name = "openapi"
    template_name = "openapi/redoc.html"
