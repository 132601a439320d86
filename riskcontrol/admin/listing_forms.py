"""The dialog that puts something of a decision on a list."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.admin.utils import unquote
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from paycore.sites.dialogs import ConfirmForm
from riskcontrol.models import Case, Decision, ListEntry, RiskList

EXPIRIES = (
    ("", _("Never")),
    ("1", _("In 1 day")),
    ("7", _("In 7 days")),
    ("30", _("In 30 days")),
    ("365", _("In a year")),
)
_VALUES = (
    (ListEntry.Kind.USER, "user_id"),
    (ListEntry.Kind.IP, "ip"),
    (ListEntry.Kind.DEVICE, "device_id"),
    (ListEntry.Kind.PAYMENT_METHOD, "payment_method_key"),
    (ListEntry.Kind.MERCHANT, "merchant_id"),
)


def decision_of(case: Case) -> Decision | None:
    """The decision that a case is about, when its facts name one."""
    decision_id = str(case.facts.get("decision") or "")
    return Decision.objects.select_related("merchant").filter(id=decision_id).first() if decision_id else None


def listable(decision: Decision | None) -> list[tuple[str, str]]:
    """(kind, value) of what a decision knows."""
    if decision is None:
        return []
    return [(kind.value, value) for kind, name in _VALUES if (value := getattr(decision, name))]


class ListingForm(ConfirmForm):
    """Offers only values of the decision at hand: what comes back is a kind, never a value that was typed."""

    what = forms.ChoiceField(label=_("What"), widget=UnfoldAdminSelectWidget)
    risk_list = forms.ModelChoiceField(
        label=_("List"), queryset=RiskList.objects.none(), widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 2}))
    expires = forms.ChoiceField(label=_("Expires"), choices=EXPIRIES, required=False, widget=UnfoldAdminSelectWidget)
    field_order: ClassVar = ["what", "risk_list", "reason", "expires"]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.values = dict(listable(self.decision(unquote(str(self.object_id)))))
        labels = dict(ListEntry.Kind.choices)
        choices = [(kind, f"{labels[kind]}: {value}") for kind, value in self.values.items()]
        self.fields["what"].choices = choices
        self.fields["risk_list"].queryset = RiskList.objects.filter(is_active=True).order_by("name")

    def decision(self, object_id: str) -> Decision | None:
        return Decision.objects.filter(id=object_id).first()

    def entry(self, *, now: datetime) -> dict[str, Any]:
        """What :func:`riskcontrol.lists.add_entry` asks for."""
        days = self.cleaned_data["expires"]
        return {
            "risk_list": self.cleaned_data["risk_list"],
            "kind": self.cleaned_data["what"],
            "value": self.values[self.cleaned_data["what"]],
            "reason": self.cleaned_data["reason"],
            "expires_at": now + timedelta(days=int(days)) if days else None,
        }


class CaseListingForm(ListingForm):
    def decision(self, object_id: str) -> Decision | None:
        case = Case.objects.filter(id=object_id).first()
        return decision_of(case) if case else None
