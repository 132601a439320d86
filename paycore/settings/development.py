"""One machine, demo data: secrets come from the state folder through the supervisor, or are made up and say so."""

import hashlib
from base64 import b64encode

from paycore.settings import env
from paycore.settings.base import *  # noqa: F403

PAYCORE_SANDBOX_MODE = env.flag("PAYCORE_SANDBOX_MODE", default=True)
PAYCORE_SHOW_MESSAGES = PAYCORE_SANDBOX_MODE
SECRET_KEY = env.text("PAYCORE_SECRET_KEY", "development-only-not-a-secret")
PAYCORE_ENCRYPTION_KEYS = env.text(
    "PAYCORE_ENCRYPTION_KEYS", "dev:" + b64encode(hashlib.sha256(SECRET_KEY.encode()).digest()).decode()
)
PAYCORE_SANDBOX_SECRET = env.text("PAYCORE_SANDBOX_SECRET", "sandbox-development-secret")
HEADLESS_JWT_PRIVATE_KEY = env.text("PAYCORE_JWT_PRIVATE_KEY").replace("\\n", "\n")
DATABASES = {"default": env.database(env.text("DATABASE_URL", "postgres://paycore@127.0.0.1:5432/paycore"))}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
PAYCORE_SHOW_DEMO_CODES = env.flag("PAYCORE_SHOW_DEMO_CODES", default=True)
PAYCORE_WEBHOOKS_ALLOW_PRIVATE = env.flag("PAYCORE_WEBHOOKS_ALLOW_PRIVATE", default=True)
PAYCORE_GATEWAYS_MAY_BE_REPLACED = True
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = STATE_DIR / "mail"  # noqa: F405
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://127.0.0.1
