"""Closing an account, and erasing the person behind it."""
