"""``manage.py seed_demo``: what `make run` shows a newcomer. Safe to repeat; refuses outside sandbox mode."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.demo_data import seed_consent_texts
from accounts.models import User
from memberships.catalogue.services import Offer, Terms, add_price, publish_version
from memberships.demo_data import WELCOME, seed_members, seed_terms
from memberships.models import Feature, Plan, Price, Tier
from merchants.demo_data import seed_application
from merchants.models import Merchant
from merchants.queries import platform_merchant
from merchants.services import add_member, create_api_key
from paycore.money import Money
from paycore.sites.second_factors import enrol_authenticator, has_second_factor, new_authenticator, present_code
from payments.routing.models import GatewayAccount
from riskcontrol.models import PaymentLimit

FEATURES = (
    # code, English, Chinese, kind, when its counter starts anew
    ("projects", "Projects", "项目", Feature.Kind.LIMIT, Feature.Reset.NEVER),
    ("exports", "Exports", "导出", Feature.Kind.METERED, Feature.Reset.MONTH),
    ("support", "Personal support", "专属客服", Feature.Kind.SWITCH, Feature.Reset.NEVER),
)
TIERS = (("free", "Free", "免费版", 0), ("premium", "Premium", "高级版", 1), ("platinum", "Platinum", "铂金版", 2))


@dataclass(frozen=True)
class _DemoPlan:
    """``monthly`` by currency, minor units; a year costs ten months."""

    code: str
    tier: str
    name_en: str
    name_zh: str
    terms: Terms
    monthly: dict[str, int]
    trial_days: int = 0


PLANS = (
    _DemoPlan("free", "free", "Free", "免费版", Terms({"projects": 1, "exports": 3}), {}),
    _DemoPlan(
        "premium", "premium", "Premium", "高级版", Terms({"projects": 20, "exports": 100}),
        {"USD": 1999, "EUR": 1899, "CNY": 12800}, trial_days=14,
    ),
    _DemoPlan(
        "family", "premium", "Family", "家庭版",
        Terms({"projects": 20, "exports": 100}, seats_included=5, seats_most=5),
        {"USD": 3499, "EUR": 3299, "CNY": 22800},
    ),
    _DemoPlan(
        "platinum", "platinum", "Platinum", "铂金版", Terms({"projects": None, "exports": None, "support": None}),
        {"USD": 4999, "EUR": 4699, "CNY": 32800},
    ),
)  # fmt: skip
LIMITS = {"USD": 1_000_000, "EUR": 1_000_000, "CNY": 7_000_000}


class Command(BaseCommand):
    help = "Creates demo merchants, plans, a sandbox gateway account and logins; prints nothing secret."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PAYCORE_SANDBOX_MODE:
            raise CommandError("Demo data is for sandbox mode only (PAYCORE_SANDBOX_MODE=yes).")
        path = Path(settings.STATE_DIR) / "demo.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        with transaction.atomic():
            document = _seed(known)
        seed_members(seller=platform_merchant())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False))
        self.stdout.write("Demo data is in place.")


@dataclass
class _Logins:
    """By address. ``hashes`` is what the database had: to compare takes no time, to check four passwords a second."""

    passwords: dict[str, str]
    hashes: dict[str, str]


def _seed(known: dict[str, Any]) -> dict[str, Any]:
    platform = _merchant(name="Paycore", legal_name="Paycore Demo Inc.", is_platform=True, fee_basis_points=0)
    shop = _merchant(name="Corner Shop", legal_name="Corner Shop Ltd", is_platform=False, fee_basis_points=50)
    _plans()
    _gateway_account()
    _wallet_account()
    _bank_account()
    seed_consent_texts()
    for currency, maximum in LIMITS.items():
        PaymentLimit.objects.get_or_create(
            kind=PaymentLimit.Kind.PAYMENT,
            merchant=None,
            kyc_level=None,
            method="",
            currency=currency,
            defaults={"max_amount_minor": maximum},
        )
    logins = _Logins(known.get("passwords", {}), known.get("password_hashes", {}))
    staff = _user("ops@demo.example", "Olivia Ops", logins, is_staff=True)
    # A second person, for what one may not decide alone.
    reviewer = _user("review@demo.example", "Rafael Review", logins, is_staff=True)
    seed_terms(seller=platform, author=staff, second=reviewer)
    owner = _user("owner@demo.example", "Mei Merchant", logins)
    if not shop.members.filter(user=owner).exists():
        add_member(merchant=shop, user=owner, role="owner")
    seed_application(_user("applicant@demo.example", "Lin Lihua", logins))
    api_keys = known.get("api_keys", {})
    for merchant in (shop, platform):
        if not merchant.api_keys.filter(revoked_at=None).exists() or merchant.id not in api_keys:
            _key, api_keys[merchant.id] = create_api_key(merchant=merchant, name="demo", created_by=staff)
    return _document(logins, api_keys, shop=shop)


def _document(logins: "_Logins", api_keys: dict[str, str], *, shop: Merchant) -> dict[str, Any]:
    """What the supervisor prints and the landing page shows."""
    return {
        "logins": [
            _login("Operations", "/ops/", "ops@demo.example", logins.passwords),
            _login("Operations, second person", "/ops/", "review@demo.example", logins.passwords),
            _login("Merchant (Corner Shop)", "/merchant/", "owner@demo.example", logins.passwords),
            _login("Merchant that applies", "/merchant/", "applicant@demo.example", logins.passwords),
        ],
        "note": "The consoles ask for a code as well: the page shows the code of these demo accounts.",
        "try": [
            "take a test payment: the button on the landing page",
            "watch the whole story: make demo (in a second terminal)",
            "review an application: Operations → Merchants → Teahouse Lin",
            f"a member's year, by charts: Operations → Memberships by month; a code to become one: {WELCOME}",
            f"read the codes sent to an address: {settings.PAYCORE_BASE_URL}/api/v1/sandbox/messages?to=ADDRESS",
            f"call the API as Corner Shop: Authorization: Bearer {api_keys[shop.id]}",
        ],
        "api_key": api_keys[shop.id],
        "passwords": logins.passwords,
        "password_hashes": logins.hashes,
        "api_keys": api_keys,
    }


def _login(who: str, address: str, login: str, passwords: dict[str, str]) -> dict[str, str]:
    return {"who": who, "address": address, "login": login, "password": passwords[login]}


def _merchant(*, name: str, legal_name: str, is_platform: bool, fee_basis_points: int) -> Merchant:
    # There is one platform, under whatever name somebody gave it meanwhile.
    known: dict[str, Any] = {"is_platform": True} if is_platform else {"is_platform": False, "name": name}
    merchant, _is_new = Merchant.objects.get_or_create(
        **known,
        defaults={
            "name": name,
            "legal_name": legal_name,
            "country": "US",
            "status": Merchant.Status.APPROVED,
            "fee_basis_points": fee_basis_points,
            "refund_review_above_minor": 5_000,
            "support_email": "help@demo.example",
        },
    )
    return merchant


def _plans() -> None:
    """What is there already stays as somebody made it."""
    for code, name_en, name_zh, kind, reset in FEATURES:
        names = {"name_en": name_en, "name_zh": name_zh}
        Feature.objects.get_or_create(code=code, defaults={**names, "kind": kind, "reset": reset})
    for code, name_en, name_zh, rank in TIERS:
        Tier.objects.get_or_create(code=code, defaults={"name_en": name_en, "name_zh": name_zh, "rank": rank})
    for demo in PLANS:
        plan, _is_new = Plan.objects.get_or_create(
            code=demo.code,
            defaults={"tier": Tier.objects.get(code=demo.tier), "name_en": demo.name_en, "name_zh": demo.name_zh},
        )
        if not plan.versions.exists():
            publish_version(plan.id, demo.terms)
        for currency, minor in demo.monthly.items():
            monthly = Offer(Money(minor, currency), interval=Price.Interval.MONTH, trial_days=demo.trial_days)
            _price(plan, monthly)
            _price(plan, Offer(Money(minor * 10, currency), interval=Price.Interval.YEAR))


def _price(plan: Plan, offer: Offer) -> None:
    same = {"currency": offer.amount.currency, "interval": offer.interval, "interval_count": offer.interval_count}
    if not plan.prices.filter(is_active=True, **same).exists():
        add_price(plan.id, offer)


def _gateway_account() -> None:
    account, is_new = GatewayAccount.objects.get_or_create(
        name="Sandbox",
        gateway="sandbox",
        defaults={
            "base_url": settings.PAYCORE_SANDBOX_URL,
            "credentials": {"secret": settings.PAYCORE_SANDBOX_SECRET},
            "methods": ["card", "sandbox_redirect", "sandbox_qr"],
            "fee_basis_points": 290,
            "fee_fixed_minor": 30,
        },
    )
    is_moved = account.base_url != settings.PAYCORE_SANDBOX_URL
    is_other_secret = account.credentials.get("secret") != settings.PAYCORE_SANDBOX_SECRET
    if not is_new and (is_moved or is_other_secret):
        account.base_url = settings.PAYCORE_SANDBOX_URL
        account.credentials = {"secret": settings.PAYCORE_SANDBOX_SECRET}
        account.save()


def _wallet_account() -> None:
    """The users' own balances as a way to pay."""
    GatewayAccount.objects.get_or_create(
        gateway="wallet",
        defaults={
            "name": "Wallet",
            "base_url": "inprocess://wallet",
            "credentials": {},
            "methods": ["wallet"],
            "priority": 200,
        },
    )


def _bank_account() -> None:
    """Where payers transfer euros to: an example IBAN that no bank has given to anybody."""
    GatewayAccount.objects.get_or_create(
        gateway="bank_transfer",
        defaults={
            "name": "Bank account",
            "base_url": "https://bank.example",
            "credentials": {},
            "settings": {
                "iban": "DE89370400440532013000",
                "bic": "COBADEFFXXX",
                "holder": "Paycore Demo Inc.",
                "bank_name": "Example Bank",
            },
            "methods": ["bank_transfer"],
            "currencies": ["EUR"],
            "priority": 300,
        },
    )


def _user(email: str, name: str, logins: "_Logins", *, is_staff: bool = False) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, name=name, is_staff=is_staff, is_superuser=is_staff)
    if email not in logins.passwords or user.password != logins.hashes.get(email):
        logins.passwords[email] = secrets.token_urlsafe(9)
        user.set_password(logins.passwords[email])
        user.save(update_fields=["password"])
        logins.hashes[email] = user.password
    if not has_second_factor(user):
        secret = new_authenticator(user).secret
        enrol_authenticator(user, secret=secret, code=present_code(secret))
    return user
