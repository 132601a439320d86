"""What is asked about people who act for a merchant."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from merchants.models import MerchantMember
from paycore.sites.dialogs import ConfirmForm


def role_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Role"),
        choices=MerchantMember.Role.choices,
        initial=MerchantMember.Role.VIEWER,
        widget=UnfoldAdminSelectWidget,
    )


class InviteForm(ConfirmForm):
    email = forms.EmailField(label=_("E-mail address"), max_length=254, widget=UnfoldAdminEmailInputWidget)
    role = role_field()


class RoleForm(ConfirmForm):
    role = role_field()
