from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        # By name, for models cannot be imported before this moment.
        wallet = import_module("payments.wallet.provider")
        import_module("payments.routing.connections").IN_PROCESS[wallet.HOST] = wallet.serve
