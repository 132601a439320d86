"""Documents that people send: multipart bodies that never touch the disk, and files that are what they claim to be.

Addresses that take them end in ``/documents`` or are ``/api/v1/me/kyc``; everywhere else the API speaks JSON only.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.translation import gettext_lazy as _
from rest_framework.parsers import BaseParser

from paycore.card_numbers import CardDataNotAllowed, contains_card_number
from paycore.errors import PaycoreError
from paycore.parsers import BodyTooLarge, DuplicateKey, MalformedJSON

MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_FILES = 4
MAX_UPLOAD_BODY_BYTES = MAX_FILES * MAX_FILE_BYTES + 64 * 1024
_UPLOAD_PATH = re.compile(r"/api/v1/(me/kyc|[a-z0-9_/-]{1,120}/documents)\Z")
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
)


class FileRefused(PaycoreError):
    """A file that cannot be taken. Nothing of it is kept."""

    code, http_status = "file_refused", 400
    title = _("The file cannot be taken.")


class FileEmpty(FileRefused):
    code = "file_empty"
    title = _("The file is empty.")


class FileTooLarge(FileRefused):
    code, http_status = "file_too_large", 413
    title = _("The file is larger than allowed.")


class FileTypeNotAllowed(FileRefused):
    code, http_status = "file_type_not_allowed", 415
    title = _("Send a JPEG, PNG or PDF file.")


class TooManyFiles(FileRefused):
    code = "too_many_files"
    title = _("Too many files were sent.")


class FilesMissing(FileRefused):
    code = "files_missing"
    title = _("No file was sent.")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that passed :func:`checked_file`. ``content_type`` is what its bytes say, not what the sender says."""

    content: bytes = field(repr=False)
    content_type: str
    sha256: str


def takes_uploads(path: str) -> bool:
    return _UPLOAD_PATH.match(path) is not None


def checked_file(content: bytes) -> Upload:
    """``content`` with its true type, or a :class:`FileRefused`."""
    if not content:
        raise FileEmpty
    if len(content) > MAX_FILE_BYTES:
        raise FileTooLarge(max_bytes=MAX_FILE_BYTES)
    for signature, content_type in _SIGNATURES:
        if content.startswith(signature):
            return Upload(content, content_type, hashlib.sha256(content).hexdigest())
    raise FileTypeNotAllowed


class InMemoryHandler(MemoryFileUploadHandler):
    """Django would put large files on the disk, where nothing seals them."""

    def handle_raw_input(self, *arguments: Any, **options: Any) -> None:
        self.activated = True


class UploadParser(BaseParser):
    """``multipart/form-data`` as ``{field: text, …, "files": [Upload, …]}``: one text a field, at most four files."""

    media_type = "multipart/form-data"
    unsearched_fields: frozenset[str] = frozenset()
    """Fields in which the view itself looks for card numbers."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > MAX_UPLOAD_BODY_BYTES:
            raise BodyTooLarge(max_bytes=MAX_UPLOAD_BODY_BYTES)
        meta = {**request.META, "CONTENT_TYPE": media_type or "", "CONTENT_LENGTH": length}
        try:
            fields, files = MultiPartParser(meta, stream, [InMemoryHandler(request._request)], "utf-8").parse()
        except (MultiPartParserError, SuspiciousOperation, UnicodeError) as error:
            raise MalformedJSON(_("The multipart body cannot be read.")) from error
        return {**_texts(fields, unsearched=self.unsearched_fields), "files": _files(files)}


def _texts(fields: Any, *, unsearched: frozenset[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, values in fields.lists():
        if len(values) != 1 or name == "files":
            raise DuplicateKey
        if "\0" in values[0]:
            raise MalformedJSON
        if name not in unsearched and contains_card_number(values[0]):
            raise CardDataNotAllowed
        texts[name] = values[0]
    return texts


def _files(files: Any) -> list[Upload]:
    received = [upload for _name, uploads in files.lists() for upload in uploads]
    if len(received) > MAX_FILES:
        raise TooManyFiles(max_files=MAX_FILES)
    return [checked_file(upload.read()) for upload in received]
