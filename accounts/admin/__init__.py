"""People for staff: who they are, how well they are known, what they agreed to, and their leaving."""

from accounts.admin import consent_pages, data_pages, identity_pages, user_pages

__all__ = ["consent_pages", "data_pages", "identity_pages", "user_pages"]
