"""A JSON parser that refuses what two readers could understand differently.

``json.loads`` lets the last of two equal keys win, reads NaN, 30-digit integers and lone surrogates, and recurses as
deep as it is told to; each of those has been a way to make a signature check and a handler disagree.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.parsers import BaseParser

from paycore.errors import PaycoreError

API_BODY_BYTES = 64 * 1024
CALLBACK_BODY_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_INTEGER = 2**63 - 1


class BodyRefused(PaycoreError):
    """The body cannot be read as the JSON this API speaks."""

    code, http_status = "malformed_json", 400
    title = _("The body is not valid JSON.")


class MalformedJSON(BodyRefused):
    code = "malformed_json"


class DuplicateKey(BodyRefused):
    code = "duplicate_key"
    title = _("An object in the body names one key twice.")


class TooDeep(BodyRefused):
    code = "too_deep"
    title = _("The body is nested too deeply.")


class NumberOutOfRange(BodyRefused):
    code = "number_out_of_range"
    title = _("A number in the body is too large, or not a number.")


class InvalidText(BodyRefused):
    code = "invalid_text"
    title = _("The body holds text that is not valid UTF-8 or contains NUL.")


class BodyTooLarge(BodyRefused):
    code, http_status = "body_too_large", 413
    title = _("The body is too large.")


class UnsupportedMediaType(BodyRefused):
    code, http_status = "unsupported_media_type", 415
    title = _("Send the body as application/json in UTF-8, without a content encoding.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKey
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER <= (number := int(text)) <= MAX_INTEGER:
        raise NumberOutOfRange
    return number


def _float(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise NumberOutOfRange
    return number


def _constant(text: str) -> Any:
    raise NumberOutOfRange


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant, strict=True
)
# Possessive, and a string without an end runs to the end: one pass over any bytes.
_BRACKET_OR_STRING = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)', re.DOTALL)


def loads_strict(raw: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The value ``raw`` says, or a :class:`BodyRefused` whose ``code`` says why not."""
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes=max_bytes)
    # Only a body with more brackets than the limit can be too deep, and few have: the scan is for those.
    if raw.count(b"[") + raw.count(b"{") > max_depth and _depth(raw) > max_depth:
        raise TooDeep(max_depth=max_depth)
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidText from error
    except json.JSONDecodeError as error:
        raise MalformedJSON(error.msg, line=error.lineno, column=error.colno) from None
    # Raw control characters are malformed already, so NUL and lone surrogates can only arrive as \u escapes.
    if b"\\u" in raw and not _is_clean(value):
        raise InvalidText
    return value


def _depth(raw: bytes) -> int:
    """The deepest nesting, found without recursion and in one pass, whatever the bytes."""
    depth = deepest = 0
    for match in _BRACKET_OR_STRING.finditer(raw):
        mark = match[0]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


def _is_clean(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_is_clean(key) and _is_clean(item) for key, item in value.items())
    return all(map(_is_clean, value)) if isinstance(value, list) else True


def body_limit_bytes(path: str) -> int:
    """How large a JSON body may be at ``path``."""
    if path.startswith("/webhooks/"):
        return int(getattr(settings, "PAYCORE_CALLBACK_BODY_BYTES", CALLBACK_BODY_BYTES))
    return int(getattr(settings, "PAYCORE_API_BODY_BYTES", API_BODY_BYTES))


class StrictJSONParser(BaseParser):
    """The API's only parser: ``application/json``, UTF-8, no content encoding."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        _refuse_other_encodings(request.META)
        max_bytes = body_limit_bytes(request.path)
        return loads_strict(stream.read(max_bytes + 1), max_bytes=max_bytes)


def _refuse_other_encodings(meta: Mapping[str, Any]) -> None:
    if meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType
    content_type, *parameters = str(meta.get("CONTENT_TYPE", "")).lower().split(";")
    if content_type.strip() != "application/json":
        raise UnsupportedMediaType
    for parameter in parameters:
        name, _equals, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('" ') not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType
