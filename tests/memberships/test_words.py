"""Staff read words, not codes, about what happened to a member."""

import re
from pathlib import Path

from memberships.actions.services import _WORDS
from memberships.admin.words import HISTORY, NOTICES, RIGHTS
from memberships.models import Grant
from memberships.stores.projecting import _KINDS

APP = Path(__file__).resolve().parent.parent.parent / "memberships"
WRITTEN = re.compile(
    r"""\b(?:Why|_why|_tell)\(\s*"([a-z_]+)"|_write_down\(subscription,\s*"([a-z_]+)"|kind="(seat_[a-z]+)"|"""
    r"""Why\("([a-z_]+)"\sif\s|\selse\s"([a-z_]+)",\sSYSTEM"""
)


def test_everything_that_is_written_into_a_history_has_a_word() -> None:
    written = set(_WORDS.values()) | set(_KINDS.values())
    for path in APP.rglob("*.py"):
        for found in WRITTEN.findall(path.read_text(encoding="utf-8")):
            written |= {kind for kind in found if kind}
    assert {"started", "renewed", "recovered", "past_due", "seat_taken", "refund_kept", "price_refused"} <= written
    assert written <= HISTORY.keys()


def test_every_message_to_a_member_has_a_name() -> None:
    folders = {path.name.removesuffix("_sms") for path in (APP / "templates" / "notifications").glob("membership_*")}
    assert "membership_renews_soon" in folders
    assert folders <= NOTICES.keys()


def test_every_source_of_a_right_has_a_word() -> None:
    reasons = set(
        re.findall(
            r"THEN '([a-z]+)'$|ELSE '([a-z]+)' END", (APP / "entitlements" / "rights.sql").read_text(), re.MULTILINE
        )
    )
    said = {word for pair in reasons for word in pair if word}
    assert "grace" in said
    assert said | {str(source) for source in Grant.Source} | {"subscription", "seat", "grant", "free"} <= RIGHTS.keys()
