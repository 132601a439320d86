"""Serializer fields that take JSON at its word: amounts are integer literals, text is text, unknown keys are errors."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.settings import api_settings

from paycore.money import CURRENCIES, MAX_MINOR

_UNSAFE_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_ECHOED_KEY_CHARACTERS = 100

CURRENCY_CHOICES = [(currency, currency) for currency in sorted(CURRENCIES)]
"""By one name in the API's description, whatever the field is called."""


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: ``true``, ``"12"``, ``1.0`` and ``1e3`` are refused."""

    default_error_messages = {"not_an_integer": _("Write a whole number, without quotes, decimals or exponent.")}

    def __init__(self, *, min_value: int = -MAX_MINOR, max_value: int = MAX_MINOR, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        return data


class MinorUnitsField(StrictIntegerField):
    """An amount in the currency's smallest unit, at least 1."""

    def __init__(self, *, min_value: int = 1, max_value: int = MAX_MINOR, **options: Any) -> None:
        options.setdefault("help_text", _("Amount in the currency's smallest unit (1234 is 12.34 USD)."))
        super().__init__(min_value=min_value, max_value=max_value, **options)


class CurrencyField(serializers.ChoiceField):
    """An enabled ISO 4217 code in capitals."""

    default_error_messages = {"unknown_currency": _("This currency is not enabled.")}

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", _("ISO 4217 code."))
        super().__init__(choices=CURRENCY_CHOICES, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in CURRENCIES:
            self.fail("unknown_currency")
        return data


class StrictCharField(serializers.CharField):
    """A JSON string without control or direction-changing characters, kept exactly as sent.

    ``multiline=True`` lets tabs and line feeds through.
    """

    default_error_messages = {
        "not_a_string": _("Write text in quotes."),
        "invalid_characters": _("The text contains characters that are not allowed."),
    }

    def __init__(self, *, multiline: bool = False, **options: Any) -> None:
        self.multiline = multiline
        options.setdefault("trim_whitespace", False)
        super().__init__(**options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("not_a_string")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if (_UNSAFE_IN_TEXT if self.multiline else _UNSAFE_IN_A_LINE).search(data):
            self.fail("invalid_characters")
        return str(super().to_internal_value(data))


class WebAddressField(serializers.URLField):
    """Where a browser is sent: http or https, nothing else."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators = [check for check in self.validators if not isinstance(check, URLValidator)]
        self.validators.append(URLValidator(schemes=["http", "https"], message=self.error_messages["invalid"]))


class StrictBooleanField(serializers.BooleanField):
    """``true`` or ``false``; ``1`` and ``"yes"`` are refused."""

    default_error_messages = {"not_a_boolean": _("Write true or false, without quotes.")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return data


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys it does not know, beside whatever else is wrong."""

    @classmethod
    def check(cls, data: Any) -> dict[str, Any]:
        """``data`` as checked values. ``ValidationError`` otherwise.

        One instance serves every request: checking keeps no state, and DRF would copy every field for each new one.
        """
        checked: dict[str, Any] = _prototype(cls).run_validation(data)
        return checked

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown_fields(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if unknown and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **unknown}) from None
            raise
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown_fields(self, data: Mapping[Any, Any]) -> dict[str, list[Any]]:
        known = {name for name, field in self.fields.items() if not field.read_only}
        message = _("There is no such field here.")
        return {
            str(name)[:_ECHOED_KEY_CHARACTERS]: [serializers.ErrorDetail(str(message), code="unknown_field")]
            for name in data
            if name not in known and name != api_settings.NON_FIELD_ERRORS_KEY
        }


@cache
def _prototype(serializer: type[StrictSerializer]) -> StrictSerializer:
    return serializer()
