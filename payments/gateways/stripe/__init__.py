"""Stripe: cards, Apple Pay and Google Pay through PaymentIntents. See docs/gateways/stripe.md."""
