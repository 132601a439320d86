"""What a person may say about themselves at sign-up, beside address and password."""

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.signing_in.phones import refuse_unsendable


class SignupProfileForm(forms.Form):
    """allauth builds its sign-up input on this form; ``AccountAdapter.save_user`` stores the fields."""

    account_already_exists: bool

    name = forms.CharField(max_length=100, required=False, help_text=_("How to address the person."))
    locale = forms.ChoiceField(
        choices=User.Locale.choices,
        required=False,
        help_text=_("Language of mails; taken from Accept-Language if left out."),
    )

    def full_clean(self) -> None:
        if "email" in self.fields:
            # allauth wants "email*" to demand its verification; here a phone number does as well.
            self.fields["email"].required = False
        super().full_clean()

    def clean(self) -> dict[str, Any]:
        """allauth checks the password before anyone is known to compare it with."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        phone, password = cleaned.get("phone"), cleaned.get("password")
        if not self.errors and not cleaned.get("email") and not phone:
            raise ValidationError(_("Give an e-mail address or a phone number."), code="address_missing")
        if password:
            person = User(email=cleaned.get("email"), name=cleaned.get("name", ""))
            try:
                validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        elif not self.errors and not phone:
            self.add_error("password", ValidationError(_("Choose a password."), code="required"))
        if not self.errors and phone:
            refuse_unsendable(phone)
        if not self.errors and (self.account_already_exists or (phone and get_adapter().get_user_by_phone(phone))):
            make_password(password)  # nobody is stored, yet the answer takes as long as if somebody were
        return cleaned

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Required by allauth; everything was stored with the user already."""
