"""An App Store and a Google Play that sell our plans, and somebody who buys there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from memberships.models import Plan, StoreAccount, StoreCustomer, StoreProduct
from memberships.stores.google import http_request
from memberships.stores.google.play_api import STAND_INS
from memberships.stores.google.simulator import PlaySimulator
from paycore import outbox
from tests.actors import AppUser
from tests.memberships.factories import make_catalogue
from tests.memberships.stores.apple import APP_ID, BUNDLE_ID, AppleChain, AppStore
from tests.memberships.stores.google import AUDIENCE, PACKAGE, SENDER, GoogleKeys

PRODUCTS = {"premium_monthly": "premium", "platinum_monthly": "platinum"}


@pytest.fixture(scope="session")
def chain() -> AppleChain:
    return AppleChain()


@pytest.fixture(autouse=True)
def _our_apple(chain: AppleChain, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "roots.pem").write_bytes(chain.root_pem)
    settings.PAYCORE_APPLE_ROOTS = str(tmp_path / "roots.pem")
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def catalogue(db: None) -> dict[str, Plan]:
    make_catalogue()
    return {plan.code: plan for plan in Plan.objects.all()}


def sell(account: StoreAccount, catalogue: dict[str, Plan]) -> StoreAccount:
    for product, plan in PRODUCTS.items():
        StoreProduct.objects.create(account=account, product_id=product, plan=catalogue[plan])
    return account


@pytest.fixture
def apple_account(catalogue: dict[str, Plan]) -> StoreAccount:
    made = StoreAccount.objects.create(
        store="app_store", name="iOS app, sandbox", bundle_id=BUNDLE_ID, environment="sandbox"
    )
    return sell(made, catalogue)


@pytest.fixture
def apple_production(catalogue: dict[str, Plan]) -> StoreAccount:
    made = StoreAccount.objects.create(store="app_store", name="iOS app", bundle_id=BUNDLE_ID, app_apple_id=APP_ID)
    return sell(made, catalogue)


@pytest.fixture
def play_account(catalogue: dict[str, Plan]) -> StoreAccount:
    made = StoreAccount.objects.create(
        store="google_play",
        name="Android app",
        bundle_id=PACKAGE,
        push_audience=AUDIENCE,
        push_email=SENDER,
    )
    return sell(made, catalogue)


@pytest.fixture
def app_store(chain: AppleChain, apple_account: StoreAccount) -> AppStore:
    return AppStore(chain)


@pytest.fixture
def play(play_account: StoreAccount, settings: Any) -> Iterator[PlaySimulator]:
    settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED = True
    STAND_INS[PACKAGE] = PlaySimulator()
    yield STAND_INS[PACKAGE]  # type: ignore[misc]  # the one put there above
    del STAND_INS[PACKAGE]


@pytest.fixture(scope="session")
def google_keys() -> GoogleKeys:
    return GoogleKeys()


@pytest.fixture(autouse=True)
def _our_google(google_keys: GoogleKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request._certificates, "_read", lambda url: google_keys.certificates())


@pytest.fixture
def account_token(app_user: AppUser) -> str:
    return str(StoreCustomer.objects.create(user=app_user.user).token)


def post_to(path: str, body: Any, *, bearer: str = "") -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return Client().post(path, raw, content_type="application/json", headers=headers)


def post_apple(body: Any) -> Any:
    return post_to("/webhooks/app-store/", body)


@pytest.fixture
def post_play(google_keys: GoogleKeys) -> Callable[..., Any]:
    def post(body: Any, *, bearer: str | None = None) -> Any:
        return post_to("/webhooks/google-play/", body, bearer=google_keys.token() if bearer is None else bearer)

    return post


def work_off() -> None:
    for _round in range(20):
        if not outbox.drain():
            return
