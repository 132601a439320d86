"""22 Nov 2026, 05:24 UTC: read alike in America and in Europe."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i e"
