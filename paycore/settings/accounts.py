"""Sign-in: allauth's headless app client with JWT."""

from datetime import timedelta
from typing import Any

from paycore.settings import env

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "accounts.tokens.LockedRefreshStrategy"  # noqa: S105 a class, not a secret
HEADLESS_JWT_ALGORITHM = "RS256"
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True  # or a deactivated user's token would work until it expires
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = int(timedelta(minutes=15).total_seconds())
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = int(timedelta(days=30).total_seconds())
HEADLESS_SERVE_SPECIFICATION = False  # paycore.openapi merges it into the one description
# The app types codes, so mails carry no links; allauth still wants to know where a person would begin.
HEADLESS_FRONTEND_URLS = dict.fromkeys(
    ("account_signup", "account_reset_password", "account_reset_password_from_key", "account_confirm_email"), "/"
)

ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email", "phone"}
# One of the two addresses is enough, and a phone number needs no password: accounts.forms says so.
ACCOUNT_SIGNUP_FIELDS = ["email*", "phone", "password1"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupProfileForm"
# Mandatory also because it makes a sign-up with a taken address look like any other.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# Each code may be tried three times; how many codes an account gets a day is limited below.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_PHONE_VERIFICATION_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_PASSWORD_RESET_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
# No resending by SMS (ask for a new code instead): only accounts that exist would run into the budget there.
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = False
ACCOUNT_PHONE_VERIFICATION_SUPPORTS_RESEND = False
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.number("PAYCORE_STEP_UP_SECONDS", 5 * 60)
ACCOUNT_RATE_LIMITS = {
    "signup": env.text("PAYCORE_SIGNUP_RATE", "20/m/ip"),
    "login": env.text("PAYCORE_LOGIN_RATE", "30/m/ip"),
    # A day's codes for one account times three tries each: about one guess in ten thousand hits.
    "confirm_email": "6/10m/key,30/d/key",
    "request_login_code": "20/m/ip,3/m/key,10/h/key,30/d/key",
    "reset_password": "20/m/ip,5/m/key,10/h/key,30/d/key",
    "verify_phone": "20/m/ip,3/m/key,10/h/key,30/d/key",
    "change_phone": "5/m/user",
}
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
ALLAUTH_TRUSTED_PROXY_COUNT = env.number("PAYCORE_TRUSTED_PROXIES", 0)
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
MFA_TOTP_ISSUER = "paycore"
MFA_TOTP_TOLERANCE = 1  # a clock half a minute off
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True

PAYCORE_SIGNED_IN_FOR_SECONDS = HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN
"""How long an app stays signed in after its last refresh."""

# Sign-in limits are counted here by all processes together; without Redis each process counts for itself.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "accounts.limits.SharedOrLocalCache",
        "LOCATION": env.text("REDIS_URL", "redis://127.0.0.1:6379/0"),
        "KEY_PREFIX": "paycore:cache",
        "OPTIONS": {
            "socket_timeout": 0.3,
            "socket_connect_timeout": 0.3,
            "serializer": "accounts.limits.JSONSerializer",
        },
    }
}
