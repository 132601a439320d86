"""The sandbox gateway: an adapter, and a provider of its own that moves no real money. See docs/sandbox.md."""
