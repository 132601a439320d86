"""Signatures over ``a=1&b=2``, as Alipay and WeChat Pay's older interface make them, do not say where a value ends."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_NEXT_PAIR = re.compile(r"&[A-Za-z0-9_]*=", re.ASCII)


def may_be_cut_otherwise(fields: Mapping[str, str]) -> bool:
    """Whether other fields would be joined to the same text: then a signature does not say which were meant, and
    somebody who chose one of the values may have chosen the others as well."""
    return any(not _NAME.fullmatch(name) or _NEXT_PAIR.search(value) for name, value in fields.items())
