from importlib import import_module

from django.apps import AppConfig, apps
from django.core.checks import register
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _


class PaycoreConfig(AppConfig):
    name = "paycore"
    verbose_name = _("Kernel")

    def ready(self) -> None:
        """Make every ``handlers.py`` known to the event registry, and ``shared_task`` known to our Celery app."""
        import_module("paycore.celery")
        checks = import_module("paycore.notifications.checks")
        register(checks.check_providers)
        register(checks.check_sms_caps)
        for configuration in apps.get_app_configs():
            if module_has_submodule(configuration.module, "handlers"):
                import_module(f"{configuration.name}.handlers")
