"""PayPal, from its documents: Orders v2, Payments v2, Vault v3, Disputes v1, Transaction Search v1, webhooks."""
