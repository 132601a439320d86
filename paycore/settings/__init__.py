"""Settings, from the environment. ``PAYCORE_ENV`` chooses: development (default), test or production."""

from paycore.settings import env

_environment = env.text("PAYCORE_ENV", "development")
if _environment == "production":
    from paycore.settings.production import *  # noqa: F403
elif _environment == "test":
    from paycore.settings.test import *  # noqa: F403
else:
    from paycore.settings.development import *  # noqa: F403
