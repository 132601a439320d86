"""Pages of ours inside a console: those that Django's admin has no view for."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def console_page(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, template: str, context: dict[str, Any]
) -> TemplateResponse:
    """With the console's sidebar and head; its addresses resolve to this console, not to the other one."""
    request.current_app = model_admin.admin_site.name
    whole = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        **context,
    }
    return TemplateResponse(request, template, whole)
