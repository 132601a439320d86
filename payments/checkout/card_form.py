"""What a page that holds the provider's card form may load, beyond what every page may."""

from urllib.parse import urlsplit

from django.conf import settings

_SCRIPT = urlsplit(settings.PAYCORE_STRIPE_SCRIPT_URL)
_SCRIPT_ORIGIN = f"{_SCRIPT.scheme}://{_SCRIPT.netloc}"

# docs.stripe.com/security/guide, "Content Security Policy".
STRIPE_CSP = {
    "script-src": [_SCRIPT_ORIGIN, "https://*.js.stripe.com"],
    "frame-src": [_SCRIPT_ORIGIN, "https://*.js.stripe.com", "https://hooks.stripe.com"],
    "connect-src": [_SCRIPT_ORIGIN, "https://api.stripe.com"],
}
# Apple Pay and Google Pay ask the browser from inside the form's frame.
STRIPE_PERMISSIONS = f'camera=(), microphone=(), geolocation=(), payment=(self "{_SCRIPT_ORIGIN}")'
