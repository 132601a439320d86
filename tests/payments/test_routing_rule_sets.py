"""Rule sets: only drafts change, two people activate, one is active."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import InternalError, transaction

from merchants.models import Merchant
from paycore.errors import Conflict
from payments.routing.models import RoutingRule, RoutingRuleSet
from payments.routing.rule_sets import (
    Draft,
    RuleSetIsBroken,
    RuleSetIsYourOwn,
    activate,
    create_draft,
    note_author,
    retire,
)
from tests.merchants.factories import make_merchant, make_user
from tests.payments.test_routing import make_account
from tests.payments.test_routing_decisions import ids, route, rules

pytestmark = pytest.mark.django_db


def test_only_drafts_can_be_changed_whoever_tries(db: None) -> None:
    account = make_account("one")
    made = rules({"kind": "prefer", "accounts": ids(account)})
    for act in (
        lambda: made.rules.update(position=5),
        lambda: made.rules.all().delete(),
        lambda: RoutingRule.objects.create(rule_set=made, name="x", kind="prefer", accounts=ids(account)),
    ):
        with pytest.raises(InternalError, match="only the rules of a draft"):
            from_savepoint(act)
    assert made.rules.count() == 1


def from_savepoint(act: Any) -> None:
    with transaction.atomic():
        act()


def test_who_wrote_a_rule_set_does_not_activate_it_not_even_by_sql(db: None) -> None:
    author = make_user().id
    draft = create_draft(Draft(author_id=author))
    with pytest.raises(RuleSetIsYourOwn):
        activate(draft.id, by_id=author)
    with pytest.raises(InternalError, match="does not activate it"):
        from_savepoint(
            lambda: RoutingRuleSet.objects.filter(id=draft.id).update(
                status="active", activated_by=author, activated_at=datetime.now(UTC)
            )
        )
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_whoever_changed_a_draft_is_one_of_its_authors(db: None) -> None:
    author, other = make_user().id, make_user().id
    draft = create_draft(Draft(author_id=author))
    note_author(draft.id, author_id=other)
    with pytest.raises(RuleSetIsYourOwn):
        activate(draft.id, by_id=other)


def test_an_activated_version_retires_the_one_before_and_there_is_never_a_second(merchant: Merchant) -> None:
    account = make_account("one")
    first = rules({"kind": "prefer", "accounts": ids(account)})
    second = rules({"kind": "prefer", "accounts": ids(account)})
    theirs = rules({"kind": "prefer", "accounts": ids(account)}, merchant=merchant)
    first.refresh_from_db()
    assert (first.status, second.status, theirs.status) == ("retired", "active", "active")
    assert (first.version, second.version, theirs.version) == (1, 2, 1)
    with pytest.raises(Conflict):
        activate(first.id, by_id=make_user().id)
    retire(second.id)
    assert "rules" not in route(merchant).trace or route(merchant).trace["rules"][0]["rule_set"] == theirs.id


def test_a_rule_set_that_names_an_account_nobody_can_use_is_not_activated(merchant: Merchant) -> None:
    theirs = make_account("theirs", merchant=make_merchant())
    draft = create_draft(Draft(author_id=make_user().id, merchant_id=merchant.id))
    RoutingRule.objects.create(rule_set=draft, name="x", kind="prefer", accounts=[theirs.id, "gwa_nowhere"])
    with pytest.raises(RuleSetIsBroken) as refused:
        activate(draft.id, by_id=make_user().id)
    assert theirs.id in str(refused.value)
    assert not RoutingRuleSet.objects.filter(status="active").exists()


def test_a_copy_of_rules_that_nobody_activated_is_still_their_authors(db: None) -> None:
    """Else a retired draft comes back in another's name, and its author activates it."""
    account = make_account("one")
    author, copier = make_user().id, make_user().id
    draft = create_draft(Draft(author_id=author))
    RoutingRule.objects.create(rule_set=draft, name="mine", kind="prefer", accounts=ids(account))
    retire(draft.id)
    draft.refresh_from_db()
    copy = create_draft(Draft(author_id=copier, copy_of=draft))
    for one in (author, copier):
        with pytest.raises(RuleSetIsYourOwn):
            activate(copy.id, by_id=one)
    assert activate(copy.id, by_id=make_user().id).status == "active"
    approved = RoutingRuleSet.objects.get(id=copy.id)
    again = create_draft(Draft(author_id=copier, copy_of=approved))
    assert activate(again.id, by_id=author).status == "active"


def test_a_copy_has_the_same_rules_and_can_be_changed(db: None) -> None:
    account = make_account("one")
    first = rules({"kind": "split", "accounts": ids(account), "weights": [100], "weekdays": [1, 2]})
    copy = create_draft(Draft(author_id=make_user().id, copy_of=first))
    made = copy.rules.get()
    assert (made.kind, made.accounts, made.weights, made.weekdays) == ("split", [account.id], [100], [1, 2])
    copy.rules.update(position=99)
    assert first.rules.get().position == 0
