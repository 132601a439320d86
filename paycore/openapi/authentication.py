"""allauth's own description of sign-up and sign-in, merged into ours: one document, one tag, an id each."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from allauth.headless import spec as allauth_spec
from allauth.headless.spec.internal import schema as allauth_schema
from django.urls import reverse

TAG = "Authentication"
_PREFIX = "Auth"
_REF = "#/components/"
_METHODS = {"get": "show", "post": "submit", "put": "replace", "patch": "update", "delete": "remove"}
_NOT_OFFERED = ("/phone/verify/resend", "/code/resend")
_BEFORE_SIGNING_IN = {
    "config",
    "login",
    "signup",
    "tokens/refresh",
    "password/request",
    "password/reset",
    "code/request",
    "code/confirm",
    "webauthn/login",
}
_HOW_TO_READ_ANSWERS = (
    "Answers keep allauth's shape (`status`, `data`, `meta`, `errors`), not problem documents. "
    "While signing in takes several steps, send `meta.session_token` back as `X-Session-Token`; once signed in, send "
    "`meta.access_token` as `Authorization: Bearer …`."
)


def merge_authentication(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """drf-spectacular post-processing hook."""
    theirs = _allauth_description()
    result["paths"].update(theirs["paths"])
    for kind, parts in theirs["components"].items():
        result.setdefault("components", {}).setdefault(kind, {}).update(parts)
    return result


@cache
def _allauth_description() -> dict[str, Any]:
    description = _load()
    allauth_schema.specify_user(description)
    allauth_schema.pin_client(description)
    allauth_schema.drop_unused_client_parameter(description)
    allauth_schema.drop_unused_paths(description)
    allauth_schema.specify_signup_fields(description)
    allauth_schema.specify_custom_signup_form(description)
    _let_sign_up_by_either_address(description)
    for path, operations in description["paths"].items():
        _name_operations(path, operations)
    _drop_unused_components(description)
    renamed: dict[str, Any] = _with_own_names(description)
    return renamed


def _load() -> dict[str, Any]:
    source = Path(next(iter(allauth_spec.__path__))) / "doc" / "openapi.yaml"
    description: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    root = reverse("headless:app:config").removesuffix("/app/v1/config")
    paths = description["paths"].items()
    description["paths"] = {
        path.replace("/_allauth", root): operations
        for path, operations in paths
        if not path.endswith(_NOT_OFFERED)  # routed by allauth, answers 409 here
    }
    return description


def _let_sign_up_by_either_address(description: dict[str, Any]) -> None:
    """Settings can only say that e-mail is required; our form takes a phone number instead."""
    schemas = description["components"]["schemas"]
    schemas["BaseSignup"].pop("required", None)
    schemas["BaseSignup"]["description"] = (
        "Give `email` with a `password`, or `phone` (E.164; a password is optional), or both. The answer is 401 with "
        "a pending `verify_email` or `verify_phone`, whether or not the address has an account already."
    )
    for part in schemas["Signup"].get("allOf", []):
        part.pop("required", None)


def _name_operations(path: str, operations: dict[str, Any]) -> None:
    address = path.partition("/app/v1/")[2].removeprefix("auth/")
    name = "_".join(step.strip("{}").replace("-", "_") for step in address.replace("2fa", "mfa").split("/"))
    for method, operation in operations.items():
        if method not in _METHODS:
            continue
        operation["operationId"] = f"auth_{name}_{_METHODS[method]}"
        operation["tags"] = [TAG]
        operation["description"] = f"{operation.get('description', '').strip()}\n\n{_HOW_TO_READ_ANSWERS}".strip()
        operation["security"] = [] if address in _BEFORE_SIGNING_IN else [{"userToken": []}, {}]


def _drop_unused_components(description: dict[str, Any]) -> None:
    components = description["components"]
    components.pop("securitySchemes", None)
    used: set[str] = set()
    waiting = list(_references(description["paths"]))
    while waiting:
        reference = waiting.pop()
        if reference in used:
            continue
        used.add(reference)
        kind, name = reference.removeprefix(_REF).split("/")
        waiting.extend(_references(components[kind][name]))
    description["components"] = {
        kind: kept
        for kind, parts in components.items()
        if (kept := {name: part for name, part in parts.items() if f"{_REF}{kind}/{name}" in used})
    }


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)


def _with_own_names(description: dict[str, Any]) -> dict[str, Any]:
    """Their ``User`` and ours may differ: every component of theirs gets a prefix."""
    components = {
        kind: {_PREFIX + name: _renamed(part) for name, part in parts.items()}
        for kind, parts in description["components"].items()
    }
    return {"paths": _renamed(description["paths"]), "components": components}


def _renamed(node: Any) -> Any:
    if isinstance(node, list):
        return [_renamed(part) for part in node]
    if not isinstance(node, dict):
        return str(node) if hasattr(node, "_proxy____cast") else node  # help texts of the sign-up form are lazy
    renamed = {key: _renamed(part) for key, part in node.items()}
    if isinstance(node.get("$ref"), str):
        head, _slash, name = node["$ref"].rpartition("/")
        renamed["$ref"] = f"{head}/{_PREFIX}{name}"
    return renamed
