"""The parts that every operation shares: the problem document, each usual refusal with an example, limit headers."""

from typing import Any

_EXAMPLE_ERROR = {"code": "unknown_currency", "detail": "This currency is not enabled.", "pointer": "/currency"}

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Decide by `code`; `title` and `detail` are for people, in the caller's language.",
    "required": ["type", "title", "status", "code", "detail", "instance", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "description": "A URI naming the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path that was asked."},
        "request_id": {"type": "string", "description": "Quote it to support."},
        "errors": {
            "type": "array",
            "description": "What is wrong with the request, place by place; empty where that does not apply.",
            "items": {
                "type": "object",
                "required": ["code", "detail", "pointer"],
                "properties": {
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "RFC 6901 pointer into the request body."},
                },
            },
        },
    },
    "additionalProperties": True,
}

# name: (status, code, title, description)
_REFUSALS = {
    "ValidationFailed": (400, "validation_failed", "The request is not valid.", "Nothing was changed; see `errors`."),
    "AuthenticationRequired": (401, "authentication_required", "Sign in first.", "No token, or one that is not valid."),
    "PermissionDenied": (403, "permission_denied", "You may not do this.", "The caller is known, and may not."),
    "NotFound": (404, "not_found", "There is no such object.", "Not there, or not the caller's to see."),
    "Conflict": (
        409,
        "idempotency_key_busy",
        "A request with this Idempotency-Key is still running.",
        "The object's state does not allow it, or the same Idempotency-Key is in use right now (see Retry-After).",
    ),
    "BodyTooLarge": (413, "body_too_large", "The body is too large.", "Bodies end at 64 KB."),
    "UnsupportedMediaType": (415, "unsupported_media_type", "Send application/json.", "Only JSON, uncompressed."),
    "IdempotencyKeyReused": (
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used for a different request.",
        "The key is bound to the first body it came with.",
    ),
    "NotPossible": (
        422,
        "promotion_code_not_valid",
        "This code cannot be used.",
        "Well-formed, and not possible as things are; `code` says why.",
    ),
    "Throttled": (429, "throttled", "Too many requests.", "Wait as long as Retry-After says."),
    "InternalError": (500, "internal_error", "Something went wrong here.", "Repeat with the same Idempotency-Key."),
    "BusyTryAgain": (503, "busy_try_again", "Busy; try again.", "Nothing was changed. Repeat after Retry-After."),
}
_WAITS = {"Conflict", "Throttled", "BusyTryAgain"}

_HEADERS: dict[str, Any] = {
    "RateLimit": {
        "description": "What is left of the limit, and when it resets (IETF draft RateLimit header fields).",
        "schema": {"type": "string"},
        "example": '"default";r=99;t=1',
    },
    "RateLimit-Policy": {
        "description": "The limit: how many requests in how many seconds.",
        "schema": {"type": "string"},
        "example": '"default";q=100;w=60',
    },
    "Idempotent-Replayed": {
        "description": "`true` when this is the stored answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "The scheme to use.", "schema": {"type": "string"}, "example": "Bearer"},
}

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": (
        "A string of your choice, new for each thing you want done (a UUID is good). Repeating a request with the same "
        "key gives the same answer and has one effect, also after a crash or a timeout. Kept at least 24 hours."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
    "example": "6b0c9f6e-0c5a-4f0a-9f0b-1f6d2f7d3c11",
}


def add_shared_components(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """drf-spectacular post-processing hook."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components.setdefault("responses", {}).update({name: _response(name) for name in _REFUSALS})
    components.setdefault("headers", {}).update(_HEADERS)
    components.setdefault("parameters", {})["IdempotencyKey"] = _IDEMPOTENCY_KEY
    return result


def _response(name: str) -> dict[str, Any]:
    status, code, title, description = _REFUSALS[name]
    headers = ["Retry-After"] if name in _WAITS else []
    if name == "Throttled":
        headers += ["RateLimit", "RateLimit-Policy"]
    if name == "AuthenticationRequired":
        headers += ["WWW-Authenticate"]
    example = {
        "type": f"urn:paycore:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": "",
        "instance": "/api/v1/orders",
        "request_id": "req_01jd3mzq5p8y6w2v4k7x9c0d1e",
        "errors": [_EXAMPLE_ERROR] if name == "ValidationFailed" else [],
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    response: dict[str, Any] = {"description": description, "content": {"application/problem+json": content}}
    if headers:
        response["headers"] = {header: {"$ref": f"#/components/headers/{header}"} for header in headers}
    return response
