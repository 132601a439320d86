import base64

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection, models
from django.test import override_settings
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from paycore.encryption import CannotUnseal, EncryptedJSONField, EncryptedTextField, KeyRing, blind_index, seal, unseal

OLD = "k1:" + base64.b64encode(b"1" * 32).decode()
NEW = "k2:" + base64.b64encode(b"2" * 32).decode()
INDEX = "index:" + base64.b64encode(b"1" * 32).decode()


@given(st.binary(max_size=500), st.text(max_size=30))
def test_what_is_sealed_can_be_unsealed_in_its_place(plaintext: bytes, aad: str) -> None:
    ring = KeyRing.parse(NEW)
    token = ring.seal(plaintext, aad=aad)
    assert ring.unseal(token, aad=aad) == plaintext
    assert len(plaintext) < 8 or plaintext not in token


def test_a_token_moved_to_another_column_does_not_open() -> None:
    token = KeyRing.parse(NEW).seal(b"secret", aad="accounts_user.phone")
    with pytest.raises(CannotUnseal):
        KeyRing.parse(NEW).unseal(token, aad="accounts_user.name")


def test_a_change_of_any_byte_is_noticed() -> None:
    ring = KeyRing.parse(f"{NEW},{OLD}")
    token = ring.seal(b"secret", aad="t.c")
    for position in range(len(token)):
        for flipped in (token[position] ^ 1, token[position] ^ 0x80):
            altered = token[:position] + bytes([flipped]) + token[position + 1 :]
            with pytest.raises(CannotUnseal):
                ring.unseal(altered, aad="t.c")


def test_a_cut_token_is_noticed() -> None:
    ring = KeyRing.parse(NEW)
    token = ring.seal(b"secret", aad="t.c")
    for size in range(len(token)):
        with pytest.raises(CannotUnseal):
            ring.unseal(token[:size], aad="t.c")


def test_a_wrong_key_under_the_same_id_does_not_open() -> None:
    token = KeyRing.parse(NEW).seal(b"secret", aad="t.c")
    with pytest.raises(CannotUnseal):
        KeyRing.parse("k2:" + base64.b64encode(b"3" * 32).decode()).unseal(token, aad="t.c")


def test_rotation_reads_the_old_and_writes_the_new() -> None:
    before, during, after = KeyRing.parse(OLD), KeyRing.parse(f"{NEW},{OLD}"), KeyRing.parse(f"{NEW},{INDEX}")
    token = before.seal(b"secret", aad="t.c")
    assert during.unseal(token, aad="t.c") == b"secret"
    assert not during.is_current(token)
    renewed = during.seal(during.unseal(token, aad="t.c"), aad="t.c")
    assert during.is_current(renewed)
    assert after.unseal(renewed, aad="t.c") == b"secret"
    with pytest.raises(CannotUnseal):
        after.unseal(token, aad="t.c")


def test_a_blind_index_survives_rotation_and_the_old_keys_retirement() -> None:
    rings = [KeyRing.parse(text) for text in (OLD, f"{NEW},{OLD}", f"{NEW},{INDEX}")]
    assert len({ring.blind_index("a@b.example", context="user.email") for ring in rings}) == 1


def test_a_blind_index_differs_by_value_context_and_key() -> None:
    ring = KeyRing.parse(OLD)
    index = ring.blind_index("a", context="bc")
    assert len(index) == 32
    assert index != ring.blind_index("ab", context="c")
    assert index != ring.blind_index("A", context="bc")
    assert index != KeyRing.parse(NEW).blind_index("a", context="bc")


def test_keys_do_not_show_in_a_representation() -> None:
    assert "1111" not in repr(KeyRing.parse(OLD))
    assert base64.b64encode(b"1" * 32).decode() not in repr(KeyRing.parse(OLD))


@pytest.mark.parametrize(
    "text", ["", "k1", "k1:", "k1:c2hvcnQ=", "k1:!!!", f"{OLD},{OLD}", INDEX, ":" + OLD[3:], f"{OLD},nonsense"]
)
def test_a_ring_that_makes_no_sense_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        KeyRing.parse(text)


@override_settings(PAYCORE_ENCRYPTION_KEYS=OLD)
def test_module_functions_use_the_ring_of_the_settings() -> None:
    token = seal(b"x", aad="t.c")
    assert KeyRing.parse(OLD).unseal(token, aad="t.c") == b"x" == unseal(token, aad="t.c")
    assert blind_index("v", context="c") == KeyRing.parse(OLD).blind_index("v", context="c")


# Outside the registry: no migration check or architecture test shall meet it.
with isolate_apps("paycore"):

    class Diary(models.Model):
        note = EncryptedTextField(null=True)
        facts = EncryptedJSONField(default=dict)

        class Meta:
            app_label = "paycore"
            managed = False
            db_table = "test_diary"

        def __str__(self) -> str:
            return f"diary {self.pk}"


def test_a_field_is_bound_to_its_first_table_and_keeps_that_in_migrations() -> None:
    field = Diary._meta.get_field("note")
    _name, path, _args, options = field.deconstruct()
    assert (path, options["aad"]) == ("paycore.encryption.EncryptedTextField", "test_diary.note")


def test_a_sealed_column_cannot_be_searched() -> None:
    with pytest.raises(FieldError, match="blind index"):
        Diary.objects.filter(note="x").query.get_compiler("default")
    assert "IS NULL" in str(Diary.objects.filter(note__isnull=True).query)


@pytest.mark.django_db
def test_the_database_holds_only_sealed_bytes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE test_diary (id bigserial PRIMARY KEY, note bytea, facts bytea)")
    Diary.objects.create(note="日记 secret", facts={"a": [1, "secret"]})
    Diary.objects.create(note=None)
    first, second = Diary.objects.order_by("id")
    assert (first.note, first.facts) == ("日记 secret", {"a": [1, "secret"]})
    assert (second.note, second.facts) == (None, {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT note, facts FROM test_diary ORDER BY id LIMIT 1")
        stored = [bytes(value) for value in cursor.fetchone()]
    assert all(b"secret" not in value and value[0] == 1 for value in stored)
    Diary.objects.filter(pk=first.pk).update(note="other")
    first.refresh_from_db()
    assert first.note == "other"
