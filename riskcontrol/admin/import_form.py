"""Many list entries, one a line: each is checked, and the page says which lines are wrong."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from paycore.errors import PaycoreError
from riskcontrol.admin.listing_forms import EXPIRIES
from riskcontrol.lists import add_entry, canonical_value
from riskcontrol.models import ListEntry, RiskList

MOST_LINES = 1_000
MOST_CHARACTERS = 150_000
MOST_ERRORS = 20


class ImportForm(forms.Form):
    kind = forms.ChoiceField(label=_("Kind"), choices=ListEntry.Kind.choices, widget=UnfoldAdminSelectWidget)
    lines = forms.CharField(
        label=_("Values"),
        max_length=MOST_CHARACTERS,
        strip=False,
        help_text=_("One on each line, at most 1,000. Empty lines are skipped; so is what is on the list already."),
        widget=UnfoldAdminTextareaWidget({"rows": 12, "spellcheck": "false"}),
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextInputWidget)
    expires = forms.ChoiceField(label=_("Expires"), choices=EXPIRIES, required=False, widget=UnfoldAdminSelectWidget)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        numbered = [
            (number, line.strip())
            for number, line in enumerate(cleaned.get("lines", "").splitlines(), start=1)
            if line.strip()
        ]
        if len(numbered) > MOST_LINES:
            text = _("%(count)d lines are too many: at most %(most)d at once.")
            self.add_error("lines", ValidationError(text, params={"count": len(numbered), "most": MOST_LINES}))
        elif cleaned.get("kind") and "lines" in cleaned:
            self._check_lines(numbered, kind=cleaned["kind"])
            cleaned["values"] = list(dict.fromkeys(line for _number, line in numbered))
            if not numbered:
                self.add_error("lines", _("There is no value."))
        return cleaned

    def _check_lines(self, numbered: list[tuple[int, str]], *, kind: str) -> None:
        errors = []
        for number, line in numbered:
            try:
                canonical_value(kind, line)
            except PaycoreError as refusal:
                params = {"number": number, "line": line[:60], "why": refusal.detail or refusal.title}
                errors.append(ValidationError(_("Line %(number)d, “%(line)s”: %(why)s"), params=params))
        if len(errors) > MOST_ERRORS:
            more = ValidationError(_("and %(count)d more lines."), params={"count": len(errors) - MOST_ERRORS})
            errors = [*errors[:MOST_ERRORS], more]
        if errors:
            self.add_error("lines", errors)

    def save(self, risk_list: RiskList, *, by_id: str, now: datetime) -> int:
        """All in one transaction; how many distinct values are on the list now because of this."""
        days = self.cleaned_data["expires"]
        expires_at = now + timedelta(days=int(days)) if days else None
        with transaction.atomic():
            # Sorted, so that two pastes of the same values wait for each other and never in a circle.
            for value in sorted(self.cleaned_data["values"]):
                add_entry(
                    risk_list=risk_list,
                    kind=self.cleaned_data["kind"],
                    value=value,
                    reason=self.cleaned_data["reason"],
                    added_by_id=by_id,
                    expires_at=expires_at,
                )
        return len(self.cleaned_data["values"])
