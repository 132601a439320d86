"""Writing, activating and retiring rule sets. Who wrote one does not activate it."""

import hashlib
import json
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound, PermissionRefused
from payments.routing.board import forget_board
from payments.routing.models import GatewayAccount, RoutingRule, RoutingRuleSet


class RuleSetIsYourOwn(PermissionRefused):
    code = "rule_set_is_your_own"
    title = _("You wrote these rules: another person must activate them.")


class RuleSetNotDraft(Conflict):
    code = "rule_set_not_draft"
    title = _("Only a draft can be changed or activated.")


class RuleSetIsBroken(Conflict):
    code = "rule_set_is_broken"
    title = _("Some rules name gateway accounts that are not there, or are another merchant's.")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new version begins with; ``copy_of`` takes over another version's rules."""

    author_id: str
    merchant_id: str | None = None
    note: str = ""
    time_zone: str = "UTC"
    copy_of: RoutingRuleSet | None = None


def create_draft(draft: Draft) -> RoutingRuleSet:
    """A new version for its owner, which nobody uses yet. Raises Conflict when two were begun in one instant."""
    newest = RoutingRuleSet.objects.filter(merchant_id=draft.merchant_id).aggregate(newest=Max("version"))["newest"]
    try:
        with transaction.atomic():
            made = RoutingRuleSet.objects.create(
                merchant_id=draft.merchant_id,
                version=(newest or 0) + 1,
                note=draft.note,
                time_zone=draft.time_zone,
                authors=_authors(draft),
            )
            if draft.copy_of is not None:
                RoutingRule.objects.bulk_create(_copied(rule, made) for rule in draft.copy_of.rules.all())
    except IntegrityError as error:
        raise Conflict from error
    return made


def _authors(draft: Draft) -> list[str]:
    """With who wrote what it copies, unless a second person had agreed to that by activating it."""
    original = draft.copy_of
    earlier = original.authors if original is not None and original.activated_at is None else []
    return list(dict.fromkeys([draft.author_id, *earlier]))


def _copied(rule: RoutingRule, into: RoutingRuleSet) -> RoutingRule:
    columns = [one.attname for one in RoutingRule._meta.concrete_fields if one.attname not in ("id", "rule_set_id")]
    return RoutingRule(rule_set=into, **{name: getattr(rule, name) for name in columns})


def note_author(rule_set_id: str, *, author_id: str) -> None:
    """They changed the draft, so that they cannot be the one who activates it."""
    with transaction.atomic():
        rule_set = _locked(rule_set_id)
        if rule_set.status != RoutingRuleSet.Status.DRAFT:
            raise RuleSetNotDraft
        if author_id not in rule_set.authors:
            rule_set.authors = [*rule_set.authors, author_id]
            rule_set.save(update_fields=["authors"])


def activate(rule_set_id: str, *, by_id: str, seen_rules: str | None = None) -> RoutingRuleSet:
    """From now on its owner's payments follow it; the version before is retired. ``seen_rules`` is
    :func:`fingerprint` of what that person looked at. NotFound, RuleSetNotDraft, RuleSetIsYourOwn, RuleSetIsBroken."""
    try:
        rule_set = _activate(rule_set_id, by_id=by_id, seen_rules=seen_rules)
    except IntegrityError as error:  # another draft of the same owner was activated in the same instant
        raise Conflict from error
    forget_board()
    rule_set.refresh_from_db()
    return rule_set


def _activate(rule_set_id: str, *, by_id: str, seen_rules: str | None) -> RoutingRuleSet:
    with transaction.atomic():
        rule_set = _locked(rule_set_id)
        if rule_set.status != RoutingRuleSet.Status.DRAFT:
            raise RuleSetNotDraft
        if by_id in rule_set.authors:
            raise RuleSetIsYourOwn
        if seen_rules is not None and seen_rules != fingerprint(rule_set):
            raise Conflict(_("The rules were changed meanwhile. Look at them again."))
        if broken := unusable_accounts(rule_set):
            raise RuleSetIsBroken(", ".join(sorted(broken)))
        active = RoutingRuleSet.objects.filter(merchant_id=rule_set.merchant_id, status=RoutingRuleSet.Status.ACTIVE)
        for before in active.select_for_update(no_key=True):
            _retire(before)
        rule_set.status, rule_set.activated_by_id, rule_set.activated_at = RoutingRuleSet.Status.ACTIVE, by_id, Now()
        rule_set.save(update_fields=["status", "activated_by", "activated_at"])
    return rule_set


def retire(rule_set_id: str) -> None:
    """Drop a draft, or go on without rules. Twice is once."""
    with transaction.atomic():
        rule_set = _locked(rule_set_id)
        if rule_set.status != RoutingRuleSet.Status.RETIRED:
            _retire(rule_set)
    forget_board()


def fingerprint(rule_set: RoutingRuleSet) -> str:
    """SHA-256 of what its rules say."""
    said = [rule_set.time_zone, *(list(row) for row in rule_set.rules.order_by("id").values_list())]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


def unusable_accounts(rule_set: RoutingRuleSet) -> set[str]:
    """Accounts that a rule names and that its owner's payments can never use."""
    named = {account for rule in rule_set.rules.all() for account in rule.accounts}
    owners = GatewayAccount.objects.filter(id__in=named).values_list("id", "merchant_id")
    # The platform's rules may name a merchant's account: they are about that merchant's payments as well.
    usable = {
        account for account, owner in owners if owner in (None, rule_set.merchant_id) or rule_set.merchant_id is None
    }
    return named - usable


def _retire(rule_set: RoutingRuleSet) -> None:
    rule_set.status, rule_set.retired_at = RoutingRuleSet.Status.RETIRED, Now()
    rule_set.save(update_fields=["status", "retired_at"])


def _locked(rule_set_id: str) -> RoutingRuleSet:
    rule_set = RoutingRuleSet.objects.select_for_update(no_key=True).filter(id=rule_set_id).first()
    if rule_set is None:
        raise NotFound
    return rule_set
