"""Alipay's open platform as its documents describe it. Nothing here is shared with the adapter."""
