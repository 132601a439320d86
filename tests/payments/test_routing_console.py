"""Rule sets in the console and the simulation: written by one, tried on the past, activated by another."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from payments.routing.models import GatewayAccount, GatewayQuota, RoutingRule, RoutingRuleSet, RoutingTrial
from payments.routing.rule_sets import Draft, create_draft
from tests.actors import MerchantServer
from tests.merchants.factories import make_merchant, make_user
from tests.payments.test_routing import make_account
from tests.payments.test_routing_decisions import rules

pytestmark = pytest.mark.django_db

RULE: dict[str, Any] = {
    "name": "Germans to the cheap one", "position": "10", "kind": "prefer", "countries": ["DE"], "from_hour": "0",
    "to_hour": "24",
}  # fmt: skip


@pytest.fixture
def writer(db: None) -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(writer: User) -> Client:
    client = Client()
    client.force_login(writer)
    return client


@pytest.fixture
def other(db: None) -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def staff_who_may(db: None) -> Callable[..., Client]:
    def signed_in(*codenames: str) -> Client:
        user = make_user(is_staff=True)
        permissions = Permission.objects.filter(codename__in=codenames, content_type__app_label="payments")
        assert permissions.count() == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return signed_in


def address(row: Any, action: str = "change") -> str:
    return reverse(f"ops:payments_{type(row)._meta.model_name}_{action}", args=[quote(row.pk)])


def do(client: Client, row: Any, action: str, **form: str) -> Any:
    return client.post(address(row, action), {"_form_submitted": "on", **form}, follow=True)


@pytest.fixture
def draft(ops: Client, account: GatewayAccount) -> RoutingRuleSet:
    """Made in the console, with one rule."""
    answer = ops.post(reverse("ops:payments_routingruleset_add"), {"note": "Spring", "time_zone": "Europe/Berlin"})
    assert answer.status_code == 302, answer.content.decode()
    made = RoutingRuleSet.objects.get()
    cheap = make_account("cheap", methods=["card", "sandbox_qr"])
    answer = ops.post(
        reverse("ops:payments_routingrule_add"),
        RULE | {"rule_set": made.id, "account_1": cheap.id, "account_2": account.id},
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return made


def test_a_draft_is_written_in_the_console_by_its_author(ops: Client, writer: User, draft: RoutingRuleSet) -> None:
    assert (draft.version, draft.status, draft.note, draft.time_zone) == (1, "draft", "Spring", "Europe/Berlin")
    assert draft.authors == [writer.id]
    rule = draft.rules.get()
    names = [GatewayAccount.objects.get(id=account).name for account in rule.accounts]
    assert (names, rule.countries, rule.weights) == (["cheap", "Sandbox"], ["DE"], [])
    shown = ops.get(address(draft)).content.decode()
    assert "Germans to the cheap one" in shown
    assert "Payers&#x27; countries: DE" in shown


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"account_1": ""}, "account_1"),
        ({"account_1": "gwa_nowhere"}, "account_1"),
        ({"account_2": "SAME"}, "account_1"),
        ({"kind": "split"}, "share_1"),
        ({"kind": "split", "share_1": "60", "share_2": "50", "account_2": "OTHER"}, "share_1"),
        ({"share_1": "60"}, "share_1"),
        ({"from_hour": "25"}, "__all__"),
        ({"from_hour": "9", "to_hour": "9"}, "to_hour"),
        ({"min_amount_minor": "5", "max_amount_minor": "4"}, "max_amount_minor"),
        ({"countries": ["XX"]}, "countries"),
        ({"rule_set": "rrs_nowhere"}, "rule_set"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(ops: Client, draft: RoutingRuleSet, wrong: Any, field: str) -> None:
    one, two = GatewayAccount.objects.order_by("id")
    form = RULE | {"rule_set": draft.id, "account_1": one.id} | wrong
    form = {name: {"SAME": one.id, "OTHER": two.id}.get(str(value), value) for name, value in form.items()}
    answer = ops.post(reverse("ops:payments_routingrule_add"), form)
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert draft.rules.count() == 1


def test_a_merchants_rules_name_no_account_of_another_merchant(ops: Client, merchant: Merchant) -> None:
    theirs = make_account("theirs", merchant=make_merchant())
    made = create_draft(Draft(author_id=make_user().id, merchant_id=merchant.id))
    answer = ops.post(reverse("ops:payments_routingrule_add"), RULE | {"rule_set": made.id, "account_1": theirs.id})
    assert "account_1" in answer.context["adminform"].form.errors
    assert not made.rules.exists()


def test_shares_are_kept_in_the_order_of_their_accounts_and_shown_again(ops: Client, draft: RoutingRuleSet) -> None:
    rule = draft.rules.get()
    one, two = rule.accounts
    form = RULE | {"kind": "split", "account_1": two, "share_1": "70", "account_3": one, "share_3": "30"}
    assert ops.post(address(rule), form).status_code == 302
    rule.refresh_from_db()
    assert (rule.accounts, rule.weights) == ([two, one], [70, 30])
    form = ops.get(address(rule)).context["adminform"].form
    assert [form[name].value() for name in ("account_1", "share_1", "account_2", "share_2")] == [two, 70, one, 30]


def test_another_person_activates_what_they_saw_and_from_then_on_it_cannot_be_changed(
    ops: Client, other: Client, draft: RoutingRuleSet
) -> None:
    rule = draft.rules.get()
    assert "you wrote these rules" in do(ops, draft, "activate", seen_rules=seen(ops, draft)).content.decode().lower()
    stale = seen(other, draft)
    ops.post(address(rule), RULE | {"account_1": rule.accounts[0], "name": "Changed meanwhile"})
    assert "changed meanwhile" in do(other, draft, "activate", seen_rules=stale).content.decode().lower()
    draft.refresh_from_db()
    assert draft.status == "draft"

    do(other, draft, "activate", seen_rules=seen(other, draft))
    draft.refresh_from_db()
    assert draft.status == "active"
    assert draft.activated_by_id not in draft.authors
    assert ops.post(address(rule), RULE | {"name": "Too late"}).status_code == 403
    assert ops.post(address(rule, "delete"), {"post": "yes"}).status_code == 403
    assert RoutingRule.objects.get().name == "Changed meanwhile"


def seen(client: Client, draft: RoutingRuleSet) -> str:
    return str(client.get(address(draft, "activate")).context["form"].initial["seen_rules"])


def test_whoever_changes_a_rule_becomes_an_author(other: Client, draft: RoutingRuleSet) -> None:
    rule = draft.rules.get()
    other.post(address(rule), RULE | {"account_1": rule.accounts[0]})
    do(other, draft, "activate", seen_rules=seen(other, draft))
    draft.refresh_from_db()
    assert (draft.status, len(draft.authors)) == ("draft", 2)


def test_a_new_version_copies_the_rules_and_retiring_leaves_none(
    ops: Client, other: Client, draft: RoutingRuleSet
) -> None:
    do(other, draft, "activate", seen_rules=seen(other, draft))
    do(ops, draft, "new_version")
    copy = RoutingRuleSet.objects.get(version=2)
    assert (copy.status, copy.rules.get().name) == ("draft", RULE["name"])
    do(other, draft, "retire")
    draft.refresh_from_db()
    assert draft.status == "retired"


@pytest.mark.parametrize("deed", ["activate", "retire", "try_out", "new_version"])
def test_who_may_only_look_can_do_nothing(
    staff_who_may: Callable[..., Client], draft: RoutingRuleSet, deed: str
) -> None:
    client = staff_who_may("view_routingruleset")
    assert client.get(address(draft)).status_code == 200
    assert do(client, draft, deed, days="1", seen_rules="x").status_code == 403
    assert client.post(reverse("ops:payments_routingrule_add"), RULE).status_code == 403
    draft.refresh_from_db()
    assert draft.status == "draft"
    assert not RoutingTrial.objects.exists()


def test_who_may_write_may_not_activate_without_that_permission(
    staff_who_may: Callable[..., Client], draft: RoutingRuleSet
) -> None:
    client = staff_who_may("view_routingruleset", "change_routingruleset")
    assert do(client, draft, "activate", seen_rules="x").status_code == 403
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_lists_are_searched_and_filtered(ops: Client, draft: RoutingRuleSet) -> None:
    for name in ("routingruleset", "routingrule", "routingtrial"):
        page = reverse(f"ops:payments_{name}_changelist")
        assert ops.get(page).status_code == 200
        assert ops.get(page, {"q": draft.id}).status_code == 200
    sets = reverse("ops:payments_routingruleset_changelist")
    assert address(draft) in ops.get(sets, {"status__exact": "draft"}).content.decode()
    assert address(draft) not in ops.get(sets, {"status__exact": "active"}).content.decode()


# On the payment


def test_a_payments_page_says_why_it_went_where_it_went(
    ops: Client, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    second = make_account("Second one", base_url=account.base_url, credentials=account.credentials, priority=900)
    make_account("Euros only", currencies=["EUR"])
    GatewayQuota.objects.create(account=second, currency="USD", period="day", max_amount_minor=500_000)
    rules({"kind": "prefer", "accounts": [second.id]})
    payment_id = merchant_server.pay(merchant_server.create_order()["id"]).json()["id"]
    shown = ops.get(reverse("ops:payments_payment_change", args=[quote(payment_id)])).content.decode()
    for words in ("Second one", "Euros only", "It does not take this currency", "Rules that applied", "rule 0",
                  "from 0 payments", "$5,000.00", "Choice 2"):  # fmt: skip
        assert words in shown, words
