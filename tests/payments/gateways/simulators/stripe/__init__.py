"""Stripe as its documentation describes it: stateful, in memory, with Stripe's own test methods and idempotency."""

from tests.payments.gateways.simulators.stripe.simulator import StripeSimulator

__all__ = ["StripeSimulator"]
