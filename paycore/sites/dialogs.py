"""Actions of a console page that ask first: a dialog is shown on GET, only its POST does anything."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

F = TypeVar("F", bound=Callable[..., Any])


class ConfirmForm(BaseDialogForm):  # type: ignore[misc]  # Unfold ships no types
    """Nothing to fill in: a posted form, with its CSRF token, is the yes."""


def asks_first(
    *,
    title: "StrOrPromise",
    text: "StrOrPromise",
    submit: "StrOrPromise",
    permission: str,
    icon: str,
    variant: ActionVariant = ActionVariant.DEFAULT,
    form: type[forms.Form] = ConfirmForm,
) -> Callable[[F], F]:
    """An action whose dialog is shown on GET; its checked ``form`` is handed to the function."""
    dialog = {"title": title, "description": text, "form_submit_text": submit, "form_class": form}
    decorate = action(description=title, permissions=[permission], icon=icon, variant=variant, dialog=dialog)
    return cast("Callable[[F], F]", decorate)


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """A dialog's form is sent by htmx, which follows this header; without script it is an ordinary redirect."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)
