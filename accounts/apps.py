from importlib import import_module

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from accounts.checks import check_jwt_key
from paycore.notifications.addresses import register_address_book


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        register(check_jwt_key, Tags.security)
        # By name, for models cannot be imported before this moment.
        register_address_book(import_module("accounts.addresses").address_of)
        import_module("accounts.personal_data.own").register()
        autodiscover_modules("personal_data")  # each app's part of a person's data: accounts/personal_data/sections.py
