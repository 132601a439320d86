"""What every operation says without its view having to: errors, the Idempotency-Key, limits, and who may call."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import AllowAny, IsAuthenticated

_WRITES = ("POST", "PUT", "PATCH")


class ProblemAutoSchema(AutoSchema):
    """Adds the shared answers of :mod:`paycore.openapi.components`; what a view declares itself stays.

    Views say more by attributes: ``idempotent = True`` (POST takes an Idempotency-Key), ``may_be_none = True`` (404
    though the path has no id), ``may_be_not_possible = True`` (422 though it takes no key); permission classes may name
    the one ``security_scheme`` they let in.
    """

    def get_operation(self, *arguments: Any, **options: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        responses = operation["responses"]
        for status, name in self._problems(operation).items():
            responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
        operation["responses"] = dict(sorted(responses.items()))
        if self._is_idempotent():
            operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
            _add_headers(operation["responses"], "Idempotent-Replayed")
        if self._is_throttled():
            _add_headers(operation["responses"], "RateLimit", "RateLimit-Policy")
        return operation

    def get_auth(self) -> list[dict[str, Any]]:
        wanted = {
            scheme
            for permission in self.view.get_permissions()
            if (scheme := getattr(permission, "security_scheme", None))
        }
        offered: list[dict[str, Any]] = super().get_auth()
        return [scheme for scheme in offered if not wanted or wanted & set(scheme)]

    def _problems(self, operation: dict[str, Any]) -> dict[str, str]:
        takes_body = self.method in _WRITES and "requestBody" in operation
        takes_query = any(parameter.get("in") == "query" for parameter in operation.get("parameters", []))
        permissions = self.view.get_permissions()
        is_public = all(type(permission) is AllowAny for permission in permissions)
        # A good key of a merchant that is not approved is refused; so is whom a special permission keeps out.
        takes_keys = len(self.view.get_authenticators()) > 1
        is_choosy = any(type(permission) not in (AllowAny, IsAuthenticated) for permission in permissions)
        applies = {
            ("400", "ValidationFailed"): takes_body or takes_query or self._is_idempotent(),
            ("401", "AuthenticationRequired"): not is_public,
            ("403", "PermissionDenied"): takes_keys or is_choosy,
            # A body names objects too; and there may be none of what has no id.
            ("404", "NotFound"): "{" in self.path or self._is_idempotent() or getattr(self.view, "may_be_none", False),
            ("409", "Conflict"): self.method == "POST",
            ("413", "BodyTooLarge"): takes_body,
            ("415", "UnsupportedMediaType"): takes_body,
            ("422", "NotPossible"): getattr(self.view, "may_be_not_possible", False) and self.method == "POST",
            ("422", "IdempotencyKeyReused"): self._is_idempotent(),
            ("429", "Throttled"): self._is_throttled(),
            ("500", "InternalError"): True,
            ("503", "BusyTryAgain"): True,
        }
        return {status: name for (status, name), is_so in applies.items() if is_so}

    def _is_idempotent(self) -> bool:
        return self.method == "POST" and getattr(self.view, "idempotent", False)

    def _is_throttled(self) -> bool:
        return bool(self.view.get_throttles())


class UserTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by being defined
    target_class = "accounts.authentication.UserAuthentication"
    name = "userToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An app user's access token: `meta.access_token` of the sign-up or sign-in answer.",
        }


class MerchantKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by being defined
    target_class = "merchants.authentication.ApiKeyAuthentication"
    name = "merchantKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sk_…",
            "description": "A merchant's API key (`sk_…`), made in the merchant console. For servers only.",
        }


def _add_headers(responses: dict[str, Any], *names: str) -> None:
    for status, response in responses.items():
        if status.startswith("2") and "$ref" not in response:
            headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
            response.setdefault("headers", {}).update(headers)
