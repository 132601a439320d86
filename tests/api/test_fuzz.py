"""Schemathesis against the API's own description: whatever is sent, no 500 and no answer that is not described."""

import json
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from memberships.models import Price
from paycore.openapi.views import document
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, MerchantServer, assert_books_are_whole
from tests.flows.conftest import premium_price  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db

EXAMPLES = 10
METHODS = ("get", "post", "put", "patch", "delete")
DESCRIPTION = json.loads(document("en"))
OWN_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def operations(*, is_authentication: bool) -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, item in DESCRIPTION["paths"].items()
        for method in METHODS
        if method in item and path.startswith("/api/v1/auth/") == is_authentication
    ]


@pytest.fixture(scope="module")
def api() -> Any:
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    schema.app = get_wsgi_application()
    return schema


@pytest.fixture(autouse=True)
def _keep_the_tests_transaction(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """A real request ends with a look at the connection, which drops one that is inside a transaction."""
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)


@pytest.fixture
def real_ids(merchant_server: MerchantServer, account: GatewayAccount, premium_price: Price) -> dict[str, str]:  # noqa: F811
    """Something of each kind, so that some requests get past the first look-up."""
    order = merchant_server.create_order()
    held = merchant_server.pay(merchant_server.create_order(capture_method="manual")["id"]).json()
    _order, paid = merchant_server.paid_order()
    refund = merchant_server.post("/refunds", {"payment": paid["id"], "reason": "x", "amount_minor": 5}).json()
    session = merchant_server.post("/checkout-sessions", {"order": order["id"]}).json()
    return {
        "order_id": order["id"],
        "payment_id": held["id"],
        "refund_id": refund["id"],
        "session_id": session["id"],
        "order": order["id"],
        "payment": paid["id"],
        "price": premium_price.id,
    }


def use_real_ids(case: Any, ids: dict[str, str]) -> None:
    for values in (case.path_parameters, case.body):
        if isinstance(values, dict):
            values.update({name: value for name, value in ids.items() if name in values})


def attack(api: Any, *, method: str, path: str, checks: list[Any], ids: dict[str, str], secrets: list[str]) -> int:
    """Send what Schemathesis makes up for one operation; how many requests it were."""
    sent = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api[path][method].as_strategy(), is_real=st.booleans(), secret=st.sampled_from(secrets))
    def run(case: Any, is_real: bool, secret: str) -> None:
        nonlocal sent
        if is_real:
            use_real_ids(case, ids)
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": f"fuzz-{sent}"}
        sent += 1
        case.call_and_validate(headers=headers, checks=checks)

    run()
    return sent


@pytest.mark.parametrize(("method", "path"), operations(is_authentication=False))
def test_every_answer_of_an_operation_is_described(
    api: Any, merchant_server: MerchantServer, app_user: AppUser, real_ids: dict[str, str], method: str, path: str
) -> None:
    secrets = [merchant_server.secret, app_user.secret]
    assert attack(api, method=method, path=path, checks=OWN_CHECKS, ids=real_ids, secrets=secrets) > 1
    assert_books_are_whole()


@pytest.mark.parametrize(("method", "path"), operations(is_authentication=True))
def test_no_way_to_sign_in_breaks(api: Any, app_user: AppUser, method: str, path: str) -> None:
    assert attack(api, method=method, path=path, checks=[not_a_server_error], ids={}, secrets=[app_user.secret])
