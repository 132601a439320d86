"""A rule's past: who changed what, with the words that came and went."""

import difflib
import re
from typing import TYPE_CHECKING

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from paycore.sites.pages import Panel, moment
from riskcontrol.models import Rule, RuleVersion

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NEWEST = 50
_SHOWN = ("name", "description", "expression", "action", "delay_seconds", "priority", "mode", "on_unavailable")
_CHOICES = frozenset({"action", "mode", "on_unavailable"})
_WORDS = re.compile(r"\s+|\w+|[^\w\s]+")
_BREAK = mark_safe("<br>")


def versions_panel(rule: Rule) -> Panel:
    versions = list(
        RuleVersion.objects.filter(rule=rule).select_related("updated_by").order_by("-version")[: NEWEST + 1]
    )
    before = [*versions[1:], None]
    rows = [
        (version.version, moment(version.updated_at), version.updated_by or "–", changes(version, earlier))
        for version, earlier in list(zip(versions, before, strict=True))[:NEWEST]
    ]
    headers = (_("Version"), _("When"), _("Who"), _("What changed"))
    return Panel(title=_("Versions"), headers=headers, rows=rows, numbers={0})


def changes(version: RuleVersion, earlier: RuleVersion | None) -> SafeString | str:
    if earlier is None:
        return format_html("{} <code>{}</code>", _("First version:"), version.expression)
    changed = [name for name in _SHOWN if getattr(version, name) != getattr(earlier, name)]
    if not changed:
        return "–"
    lines = ((_title(name), word_diff(_text(earlier, name), _text(version, name))) for name in changed)
    return format_html_join(_BREAK, "{}: {}", lines)


def word_diff(old: str, new: str) -> SafeString:
    """The new text, with what was added marked, and what is gone struck through where it was."""
    left, right = _WORDS.findall(old), _WORDS.findall(new)
    parts: list[tuple[SafeString | str]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(("".join(left[i1:i2]),))
            continue
        if i2 > i1:
            parts.append((format_html('<del class="risk-gone">{}</del>', "".join(left[i1:i2])),))
        if j2 > j1:
            parts.append((format_html('<ins class="risk-new">{}</ins>', "".join(right[j1:j2])),))
    return format_html_join("", "{}", parts)


def _title(name: str) -> "StrOrPromise":
    title: StrOrPromise = RuleVersion._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # plain fields
    return title


def _text(version: RuleVersion, name: str) -> str:
    return str(getattr(version, f"get_{name}_display")() if name in _CHOICES else getattr(version, name))
