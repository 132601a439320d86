"""Switching a rule on, to shadow, or off."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from paycore.errors import NotFound, PaycoreError
from riskcontrol.language import check_expression
from riskcontrol.models import Rule
from riskcontrol.models.rules import Mode
from riskcontrol.rules import forget_rules


class RuleUnreadable(PaycoreError):
    code: ClassVar[str] = "rule_unreadable"
    http_status: ClassVar[int] = 409
    title = _("The rule's condition is no longer valid. Correct it first.")


def set_mode(rule_id: str, *, mode: Mode, by_id: str) -> None:
    """A change of mode is a version as any other; the same mode again changes nothing."""
    rule = Rule.objects.filter(id=rule_id).first()
    if rule is None:
        raise NotFound
    if mode != Mode.OFF:
        try:
            check_expression(rule.expression)
        except ValidationError as error:
            raise RuleUnreadable(" ".join(error.messages)) from error
    Rule.objects.filter(id=rule_id).exclude(mode=mode).update(mode=mode, updated_by_id=by_id)
    forget_rules()
