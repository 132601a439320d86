"""The second step's form. Six digits are few: five wrong codes in five minutes, or thirty in a day, and it is over
for a while, wherever they come from."""

from typing import Any

import structlog
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import BASE_INPUT_CLASSES

from paycore.sites import login
from paycore.sites.second_factors import use_code, use_passkey

MAX_CODES = 5
MAX_CODES_A_DAY = 30
_DAY_SECONDS = 24 * 3600

log = structlog.get_logger(__name__)


class CodeField(forms.CharField):
    """A field that phones fill in from their code app."""

    def __init__(self, **options: Any) -> None:
        attributes = {
            "class": " ".join(BASE_INPUT_CLASSES),
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "autofocus": "",
        }
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attributes), **options)


class SecondStepForm(forms.Form):
    """A code, or the answer of a passkey. Counts before it looks, so that parallel guesses all count."""

    code = CodeField(label=_("Code"), required=False)
    credential = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: AbstractBaseUser, **options: Any) -> None:
        super().__init__(*args, **options)
        self._user = user
        self.is_locked = False

    def clean(self) -> dict[str, Any]:
        code, credential = self.cleaned_data.get("code"), self.cleaned_data.get("credential")
        if credential:
            if not use_passkey(self._user, credential):
                raise ValidationError(_("The passkey was not recognized."), code="wrong_passkey")
            return dict(self.cleaned_data)
        if not code:
            raise ValidationError(_("Type the code."), code="no_code")
        self._count()
        if not use_code(self._user, code):
            raise ValidationError(_("The code is wrong or was used already."), code="wrong_code")
        for key in self._keys():
            login.attempts.forgive(key)
        return dict(self.cleaned_data)

    def _count(self) -> None:
        lately, today = self._keys()
        too_many = login.attempts.count(lately) > MAX_CODES
        too_many |= login.attempts.count(today, window_seconds=_DAY_SECONDS) > MAX_CODES_A_DAY
        if too_many:
            self.is_locked = True
            log.warning("console_codes_refused", user_id=str(self._user.pk))
            raise ValidationError(_("Too many wrong codes. Wait five minutes and sign in again."), code="locked")

    def _keys(self) -> tuple[str, str]:
        user_id = str(self._user.pk)
        return login.attempts_key("code", user_id), login.attempts_key("code_day", user_id)


class ConfirmAuthenticatorForm(forms.Form):
    code = CodeField(label=_("Code from the app"))
