"""The test suite: fast hashes, no bell, a sandbox in process."""

from paycore.settings.development import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PAYCORE_BELL_ENABLED = False
PAYCORE_WEBHOOKS_ALLOW_PRIVATE = False
PAYCORE_BASE_URL = "http://testserver"
ALLOWED_HOSTS = ["*"]
WHITENOISE_AUTOREFRESH = True  # or each client of a test reads all static files first, thirty milliseconds
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
# A test is one transaction: on a busy machine it thinks for longer than a request may.
DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=600000"  # noqa: F405
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
PAYCORE_THROTTLE_RATES = {"caller": "1000000/minute", "pay_page": "1000000/minute"}
