"""What a person may say about themselves at sign-up, beside e-mail and password."""

from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class SignupProfileForm(forms.Form):
    """allauth builds its sign-up input on this form; ``AccountAdapter.save_user`` stores the fields."""

    name = forms.CharField(max_length=100, required=False, help_text=_("How to address the person."))
    locale = forms.ChoiceField(
        choices=User.Locale.choices,
        required=False,
        help_text=_("Language of mails; taken from Accept-Language if left out."),
    )

    def clean(self) -> dict[str, Any]:
        """allauth checks the password before anyone is known to compare it with."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        password = cleaned.get("password")
        if password:
            person = User(email=cleaned.get("email"), name=cleaned.get("name", ""))
            try:
                validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Required by allauth; everything was stored with the user already."""
