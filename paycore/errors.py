"""Errors that people and programs outside may see.

Every refusal is a :class:`PaycoreError`: a stable ``code`` for programs, a title for people. What is not one is a bug
and becomes ``internal_error`` (500) at the edge.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class PaycoreError(Exception):
    """A refusal that had no effect. ``extra`` is published with it (ids and numbers, never people)."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[int] = 400
    title: "ClassVar[StrOrPromise]" = _("The request was refused.")

    def __init__(self, detail: "StrOrPromise" = "", *, retry_after_seconds: int | None = None, **extra: Any) -> None:
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.extra = extra
        super().__init__(str(detail) or self.code)

    @property
    def challenge(self) -> str:
        """``WWW-Authenticate`` of a refusal with 401."""
        return "Bearer"


class NotFound(PaycoreError):
    """Also what another tenant's object looks like: its existence is not disclosed."""

    code, http_status = "not_found", 404
    title = _("There is no such object.")


class Conflict(PaycoreError):
    code, http_status = "conflict", 409
    title = _("The object is in a state that does not allow this.")


class PermissionRefused(PaycoreError):
    code, http_status = "permission_denied", 403
    title = _("You may not do this.")
