"""Users for tests."""

import factory
from allauth.account.models import EmailAddress

from accounts.models import User

PASSWORD = "a long enough phrase"


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"user{number}@example.com")
    name = factory.Sequence(lambda number: f"User {number}")

    @factory.post_generation
    def verified_address(self: User, create: bool, extracted: bool | None, **_options: object) -> None:
        """Unless ``verified_address=False``, the e-mail address was proved."""
        if create and self.email and extracted is not False:
            EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)

    @factory.post_generation
    def password(self: User, create: bool, extracted: str | None, **_options: object) -> None:
        self.set_password(extracted or PASSWORD)
        if create:
            self.save(update_fields=["password"])
