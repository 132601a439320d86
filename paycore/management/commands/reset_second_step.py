"""``manage.py reset_second_step``: for who lost phone and recovery codes. Who may run it may do anything anyway."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Removes a person's authenticators and recovery codes and ends their sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model()._default_manager.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError("Nobody has this e-mail address.")
        Authenticator.objects.filter(user_id=user.pk).delete()
        for session in UserSession.objects.filter(user_id=user.pk):
            session.end()
        self.stdout.write("The next sign-in to a console sets up a new second step.")
