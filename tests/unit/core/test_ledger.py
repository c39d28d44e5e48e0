from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.core.ledger import (
    GENESIS,
    Broken,
    Entry,
    Fact,
    Statement,
    canonical_json,
    check_commitment,
    instant,
    next_entry,
    verify,
)
from tests.unit.core.ledgers import AT, SALT, chain, chains, changes, objects, tampered

GIVEN = Statement(Fact.CONSENT_GIVEN, "c1", None, {"mode": "implied"}, {"number": "+40721234567"})


def test_the_first_entry_follows_sixty_four_zeros() -> None:
    entry = next_entry(None, GIVEN, AT, SALT)
    assert (entry.seq, entry.prev) == (1, GENESIS)


def test_an_entry_without_a_personal_part_commits_to_nothing() -> None:
    assert next_entry(None, replace(GIVEN, personal={}), AT, SALT).commitment is None


@given(chains)
def test_an_untouched_chain_holds(entries: list[Entry]) -> None:
    assert verify(entries) == len(entries)
    assert verify(entries, known_head=entries[1].hash) == len(entries)


@given(chains.flatmap(tampered))
def test_whatever_is_done_to_the_middle_is_found(entries: list[Entry]) -> None:
    with pytest.raises(Broken):
        verify(entries)


@pytest.mark.parametrize("field", range(9))
def test_a_change_is_found_in_every_field_also_of_the_last_entry(field: int) -> None:
    entries = chain([GIVEN, GIVEN])
    with pytest.raises(Broken) as broken:
        verify([entries[0], changes(entries[1])[field]])
    assert broken.value.seq == 2


@given(chains)
def test_a_cut_off_end_is_found_only_by_a_head_known_from_elsewhere(entries: list[Entry]) -> None:
    cut = entries[:-1]
    assert verify(cut) == len(cut)
    with pytest.raises(Broken):
        verify(cut, known_head=entries[-1].hash)


def test_a_chain_computed_anew_is_found_by_a_head_known_from_elsewhere() -> None:
    known = chain([GIVEN])[0].hash
    forged = chain([replace(GIVEN, public={"mode": "prompted"}), GIVEN])
    with pytest.raises(Broken):
        verify(forged, known_head=known)


def test_an_empty_ledger_holds() -> None:
    assert verify([], known_head=GENESIS) == 0


@given(objects.filter(bool), objects, st.binary(min_size=16, max_size=32))
def test_a_commitment_fits_its_row_and_salt_only(
    personal: dict[str, object], other: dict[str, object], salt: bytes
) -> None:
    entry = next_entry(None, replace(GIVEN, personal=personal), AT, salt)
    assert check_commitment(entry, salt, personal)
    assert not check_commitment(entry, bytes(b ^ 1 for b in salt), personal)
    same = canonical_json(other) == canonical_json(personal)
    assert check_commitment(entry, salt, other) == same


@pytest.mark.parametrize("salt", [b"", b"x" * 15, b"x" * 33])
def test_a_salt_of_another_length_is_refused(salt: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 32 bytes"):
        next_entry(None, GIVEN, AT, salt)


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 2**53, b"bytes", {1: "key"}, "\ud800", [0.1], {"deep": {"er": 1.0}}],
)
def test_what_has_no_single_spelling_is_refused(value: object) -> None:
    for statement in (replace(GIVEN, public={"a": value}), replace(GIVEN, personal={"a": value})):
        with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError brings its own words
            next_entry(None, statement, AT, SALT)


@pytest.mark.parametrize("at", ["2026-01-31T10:00:00Z", "2026-01-31 10:00:00.000000Z", ""])
def test_a_time_in_another_format_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match="instant"):
        next_entry(None, GIVEN, at, SALT)


def test_canonical_json_is_sorted_dense_and_unescaped() -> None:
    value = {"b": [1, True, None], "a": 'ă"\\\n\x01/'}
    assert canonical_json(value) == '{"a":"ă\\"\\\\\\n\\u0001/","b":[1,true,null]}'.encode()


def test_an_instant_has_six_decimals_and_a_z() -> None:
    assert instant(1_769_853_600.0) == "2026-01-31T10:00:00.000000Z"
    assert instant(1_769_853_600.25) == "2026-01-31T10:00:00.250000Z"
