"""The grid against Stripe, WeChat Pay, Alipay and PayPal, through their adapters and simulators (make test-faults)."""

import pytest

from tests.faults.provider_grid import grid, replays, run_forgery, run_replay, sweep
from tests.faults.provider_world import ProviderWorld
from tests.faults.providers import StripeSide

QUICK = (
    ("card", "create", "timeout_after"),
    ("apple_pay", "close_paid", "broken_after"),
    ("wechat_native", "create", "missigned"),
    ("wechat_native", "query", "wrong_amount"),
    ("alipay_qr", "query", "foreign"),
    ("alipay_qr", "refund", "torn"),
    ("paypal", "take", "timeout_after"),
)


@pytest.mark.parametrize(("method", "call", "fault"), QUICK)
def test_one_row_of_the_grid_ends_whole(shop: ProviderWorld, method: str, call: str, fault: str) -> None:
    assert not (found := sweep(shop, method=method, call=call, fault=fault)), "\n".join(found)


@pytest.mark.faults
@pytest.mark.parametrize(("method", "call", "fault"), list(grid()))
def test_whatever_befalls_a_call_money_moves_once_or_never(
    shop: ProviderWorld, method: str, call: str, fault: str
) -> None:
    assert not (found := sweep(shop, method=method, call=call, fault=fault)), "\n".join(found)


@pytest.mark.parametrize(("method", "call"), list(replays()))
def test_a_genuine_answer_about_another_payment_is_not_believed(shop: ProviderWorld, method: str, call: str) -> None:
    assert not (found := run_replay(shop, method=method, call=call)), "\n".join(found)


@pytest.mark.parametrize("fault", ["unsigned", "missigned"])
@pytest.mark.parametrize("method", ["wechat_native", "alipay_qr"])
def test_a_success_that_nobody_signed_is_not_believed(shop: ProviderWorld, method: str, fault: str) -> None:
    assert not (found := run_forgery(shop, method=method, fault=fault)), "\n".join(found)


@pytest.mark.parametrize("fault", ["timeout_after", "torn"])
def test_a_search_that_lags_behind_charges_no_card_twice(shop: ProviderWorld, fault: str) -> None:
    """Stripe finds a payment by our number only a minute later: until then the same request is sent again."""
    side = stripe_of(shop)
    side.simulator.index_lag_seconds = 60
    try:
        assert not (found := sweep(shop, method="card", call="create", fault=fault)), "\n".join(found)
    finally:
        side.simulator.index_lag_seconds = 0


class Forgetful(dict[str, tuple[str, int, bytes]]):
    """A provider's memory of idempotency keys that keeps nothing."""

    def __contains__(self, key: object) -> bool:
        return False


def test_the_grid_would_notice_a_card_that_is_charged_twice(
    shop: ProviderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its power, shown by taking the provider's idempotency away."""
    side = stripe_of(shop)
    monkeypatch.setattr(side.simulator, "index_lag_seconds", 60)
    monkeypatch.setattr(side.simulator, "_kept", Forgetful())
    found = sweep(shop, method="card", call="create", fault="timeout_after")
    assert any("took money more than once" in failure for failure in found), found


def stripe_of(shop: ProviderWorld) -> StripeSide:
    side = shop.desks["card"].side
    assert isinstance(side, StripeSide)
    return side
