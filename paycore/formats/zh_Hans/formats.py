"""Django's way of writing a moment in Chinese, and the time zone."""

DATETIME_FORMAT = "Y年n月j日 H:i e"
