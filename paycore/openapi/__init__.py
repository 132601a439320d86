"""The description of the REST API (OpenAPI 3.1) and the pages that show it."""

from paycore.openapi.views import RedocView, SchemaView, SwaggerView

__all__ = ["RedocView", "SchemaView", "SwaggerView"]
