"""PayPal: Orders v2, Payments v2, Vault v3, Webhooks v1, Disputes v1, Transaction Search v1. Its words stop here."""
