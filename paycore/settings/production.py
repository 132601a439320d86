"""Production: refuses to start when a secret is missing, speaks HTTPS only."""

from django.core.exceptions import ImproperlyConfigured

from paycore.settings import env
from paycore.settings.base import *  # noqa: F403

SECRET_KEY = env.required("PAYCORE_SECRET_KEY", "it signs sessions and links")
PAYCORE_ENCRYPTION_KEYS = env.required("PAYCORE_ENCRYPTION_KEYS", "it encrypts gateway credentials at rest")
HEADLESS_JWT_PRIVATE_KEY = env.required("PAYCORE_JWT_PRIVATE_KEY", "it signs the app's access tokens").replace(
    "\\n", "\n"
)
DATABASES = {"default": env.database(env.required("DATABASE_URL", "PostgreSQL holds everything"))}
REDIS_URL = CELERY_BROKER_URL = env.required("REDIS_URL", "it carries the bell and the limits")
ALLOWED_HOSTS = env.required("PAYCORE_ALLOWED_HOSTS", "the host names this service answers to").split(",")
PAYCORE_BASE_URL = env.required("PAYCORE_BASE_URL", "the public address in links and callbacks").rstrip("/")
PAYCORE_METRICS_TOKEN = env.required("PAYCORE_METRICS_TOKEN", "it guards /metrics")
PAYCORE_SANDBOX_SECRET = env.text("PAYCORE_SANDBOX_SECRET")
if not PAYCORE_BASE_URL.startswith("https://"):
    raise ImproperlyConfigured("PAYCORE_BASE_URL must begin with https:// in production.")
if env.flag("PAYCORE_SHOW_DEMO_CODES"):
    raise ImproperlyConfigured("PAYCORE_SHOW_DEMO_CODES is for one machine: it would show the second step's codes.")
if PAYCORE_WEBHOOKS_ALLOW_PRIVATE:  # noqa: F405
    raise ImproperlyConfigured("PAYCORE_WEBHOOKS_ALLOW_PRIVATE would let merchants reach our own network.")
if not PAYCORE_STRIPE_SCRIPT_URL.startswith("https://js.stripe.com/"):  # noqa: F405
    raise ImproperlyConfigured("PAYCORE_STRIPE_SCRIPT_URL is Stripe's own in production: card numbers are typed there.")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("PAYCORE_SECRET_KEY must have at least 50 characters.")

SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PAYCORE_TRUSTED_PROXIES else None  # noqa: F405
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PAYCORE_BASE_URL]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
if PAYCORE_MAIL_PROVIDER == "webhook":  # noqa: F405
    PAYCORE_MAIL_WEBHOOK_URL = env.required("PAYCORE_MAIL_WEBHOOK_URL", "mail goes there")
    PAYCORE_MAIL_WEBHOOK_SECRET = env.required("PAYCORE_MAIL_WEBHOOK_SECRET", "it signs what goes there")
else:
    globals().update(env.mail(env.required("PAYCORE_MAIL_URL", "receipts and codes are sent by mail")))
if PAYCORE_SMS_PROVIDER == "webhook":  # noqa: F405
    PAYCORE_SMS_WEBHOOK_URL = env.required("PAYCORE_SMS_WEBHOOK_URL", "codes by SMS go there")
    PAYCORE_SMS_WEBHOOK_SECRET = env.required("PAYCORE_SMS_WEBHOOK_SECRET", "it signs what goes there")
