"""People who log in: app users, merchants' members and staff are all a :class:`User`."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.consents.models import Consent, ConsentDocument
from accounts.kyc.models import KycCase, KycDocument, KycDocumentView
from accounts.leaving.models import Erasure
from accounts.personal_data.models import DataExport, DataExportPart
from paycore.identifiers import PrefixedIdField

__all__ = [
    "Consent",
    "ConsentDocument",
    "DataExport",
    "DataExportPart",
    "Erasure",
    "KycCase",
    "KycDocument",
    "KycDocumentView",
    "KycLevel",
    "User",
]

DEFAULT_CURRENCY = "USD"

if TYPE_CHECKING:
    _EmailField = models.EmailField[str | None, str | None]
else:
    _EmailField = models.EmailField  # Django's fields take no type arguments when they run


class LowercaseEmailField(_EmailField):
    """Stores and looks up in lower case, and "no address" as NULL, so that uniqueness means one person."""

    def to_python(self, value: Any) -> str | None:
        return str(value).strip().lower() or None if value is not None else None

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))


class UserManager(BaseUserManager["User"]):
    """Creates users; whoever signs up in the app comes through allauth instead (``accounts/adapters.py``)."""

    def create_user(self, email: str | None = None, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class KycLevel(models.IntegerChoices):
    """How well a person is known; limits refer to it."""

    NONE = 0, _("Not verified")
    PHONE = 1, _("Phone verified")
    DOCUMENT = 2, _("Identity document reviewed")


class User(AbstractBaseUser, PermissionsMixin):
    """``email`` and ``phone`` are personal data: logs and events carry the id."""

    class Locale(models.TextChoices):
        ENGLISH = "en", _("English")
        SIMPLIFIED_CHINESE = "zh-hans", _("Simplified Chinese")

    id = PrefixedIdField(prefix="usr")
    email = LowercaseEmailField(_("e-mail address"), max_length=254, unique=True, null=True, blank=True)
    phone = models.CharField(_("phone number"), max_length=16, unique=True, null=True, blank=True)
    name = models.CharField(_("name"), max_length=100, blank=True, default="")
    locale = models.CharField(_("language"), max_length=10, choices=Locale, default=Locale.ENGLISH)
    currency = models.CharField(_("currency"), max_length=3, default=DEFAULT_CURRENCY)
    phone_verified_at = models.DateTimeField(_("phone verified at"), null=True, blank=True)
    avatar_url = models.URLField(_("avatar address"), max_length=500, blank=True, default="")
    kyc_level = models.SmallIntegerField(_("identity level"), choices=KycLevel, default=KycLevel.NONE)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    closing_reason = models.CharField(_("why it was closed"), max_length=300, blank=True, default="")
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)
    session_generation = models.IntegerField(_("generation of sessions"), default=0, editable=False)
    is_staff = models.BooleanField(_("staff"), default=False, help_text=_("May enter the operations console."))
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Switch off instead of deleting: every token stops working at once.")
    )
    date_joined = models.DateTimeField(_("joined at"), default=timezone.now, editable=False)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lowercase"),
            models.CheckConstraint(condition=models.Q(email__contains="@"), name="user_email_shape"),
            models.CheckConstraint(condition=models.Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"), name="user_phone_e164"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="user_currency_code"),
            models.CheckConstraint(condition=models.Q(kyc_level__range=(0, 2)), name="user_kyc_level_known"),
            models.CheckConstraint(
                condition=models.Q(avatar_url="") | models.Q(avatar_url__startswith="https://"),
                name="user_avatar_https",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True) | models.Q(is_active=False), name="user_closed_is_inactive"
            ),
            models.CheckConstraint(
                condition=models.Q(erased_at__isnull=True)
                | models.Q(closed_at__isnull=False, email__isnull=True, phone__isnull=True),
                name="user_erased_has_no_address",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-date_joined"], name="user_newest_first")]

    def __str__(self) -> str:
        return self.name or self.pk

    def clean(self) -> None:
        """Not AbstractBaseUser's: it would turn a missing address into an empty one."""

    @property
    def is_phone_verified(self) -> bool:
        return self.phone is not None and self.phone_verified_at is not None

    def get_full_name(self) -> str:
        return self.name

    def _get_session_auth_hash(self, secret: Any = None) -> str:
        """Django ends a session whose hash is not this one: a new generation ends them all, tokens included."""
        salt = f"accounts.models.User.session.{self.session_generation}"
        return salted_hmac(salt, self.password, secret=secret, algorithm="sha256").hexdigest()

    def get_short_name(self) -> str:
        return self.name
