"""The test suite: fast hashes, no bell, a sandbox in process."""

from paycore.settings.development import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PAYCORE_BELL_ENABLED = False
PAYCORE_WEBHOOKS_ALLOW_PRIVATE = False
PAYCORE_BASE_URL = "http://testserver"
ALLOWED_HOSTS = ["*"]
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
PAYCORE_THROTTLE_RATES = {"caller": "1000000/minute", "pay_page": "1000000/minute"}
