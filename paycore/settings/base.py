"""What is the same everywhere. Secrets and addresses are filled in by the module of the environment."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from paycore.logs import logging_settings
from paycore.settings import env
from paycore.settings.accounts import *  # noqa: F403
from paycore.settings.admin import UNFOLD, UNFOLD_MERCHANT  # noqa: F401
from paycore.settings.api import PAYCORE_THROTTLE_RATES, REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401
from paycore.settings.background import *  # noqa: F403
from paycore.settings.messages import *  # noqa: F403
from paycore.settings.policy import *  # noqa: F403

BASE_DIR = env.BASE_DIR
STATE_DIR = BASE_DIR / env.text("PAYCORE_STATE_DIR", ".state")

DEBUG = False
ALLOWED_HOSTS = env.items("PAYCORE_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
PAYCORE_BASE_URL = env.text("PAYCORE_BASE_URL", f"http://127.0.0.1:{env.number('PORT', 8000)}").rstrip("/")
PAYCORE_SANDBOX_URL = env.text(
    "PAYCORE_SANDBOX_URL", f"http://127.0.0.1:{env.number('PAYCORE_SANDBOX_PORT', env.number('PORT', 8000) + 1)}"
)
PAYCORE_TRUSTED_PROXIES = env.number("PAYCORE_TRUSTED_PROXIES", 0)
PAYCORE_METRICS_TOKEN = env.text("PAYCORE_METRICS_TOKEN")
PAYCORE_SHOW_DEMO_CODES = False
"""Whether the consoles' second step shows a demo account's code on its page: for one machine only."""

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_htmx",
    "django_prometheus",
    "django_structlog",
    "pgtrigger",
    "pghistory",
    "csp",
    "paycore",
    "accounts",
    "merchants",
    "riskcontrol",
    "payments",
    "memberships",
    "reconciliation",
]

MIDDLEWARE = [
    "paycore.middleware.RequestIdMiddleware",
    "paycore.middleware.ProblemMiddleware",
    "paycore.middleware.ResponseHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "paycore.middleware.CardNumberMiddleware",
    "paycore.browser.CSPMiddleware",
    "paycore.browser.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "paycore.browser.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "paycore.browser.AuthenticationMiddleware",
    "paycore.browser.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "paycore.browser.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.StrictSignInBodyMiddleware",
]

ROOT_URLCONF = "paycore.urls"
WSGI_APPLICATION = "paycore.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "paycore" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "paycore" / "locale"]
FORMAT_MODULE_PATH = ["paycore.formats"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024  # a document of 5 MB never touches the disk before it is sealed
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "paycore.problems.csrf_failure"

CONTENT_SECURITY_POLICY = {
    # Unfold's Alpine needs 'unsafe-eval' and inline styles: relaxed on the two consoles only (paycore.sites).
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": ["'self'"],
    },
}

DEFAULT_FROM_EMAIL = env.text("PAYCORE_MAIL_FROM", "paycore <no-reply@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_TIMEOUT = 15  # seconds; below the lease of a notification

STRUCTLOG_JSON = not env.flag("PAYCORE_PLAIN_LOGS")
LOGGING = logging_settings(json=STRUCTLOG_JSON)
