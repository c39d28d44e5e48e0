"""Ledgers made up by Hypothesis, and the ways to tamper with one."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from ari_controller.core.ledger import Entry, Fact, Statement, next_entry

SALT = bytes(range(32))
AT = "2026-01-31T10:00:00.000000Z"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
objects = st.dictionaries(texts, scalars | st.lists(scalars, max_size=2), max_size=3)
ids = st.none() | st.sampled_from(["c1", "c2"])
statements = st.builds(Statement, st.sampled_from(Fact), ids, ids, objects, objects)


def chain(statements: Sequence[Statement]) -> list[Entry]:
    entries: list[Entry] = []
    for statement in statements:
        entries.append(next_entry(entries[-1] if entries else None, statement, AT, SALT))
    return entries


chains = st.lists(statements, min_size=3, max_size=6).map(chain)


@st.composite
def tampered(draw: st.DrawFn, entries: Sequence[Entry]) -> list[Entry]:
    """Change, remove, swap, insert or forge one entry that is not the last."""
    changed, at = list(entries), draw(st.integers(0, len(entries) - 2))
    entry = changed[at]
    match draw(st.sampled_from(["change", "remove", "swap", "repeat", "forge"])):
        case "remove":
            del changed[at]
        case "swap":
            changed[at], changed[at + 1] = changed[at + 1], entry
        case "repeat":
            changed.insert(at, entry)
        case "forge":
            # With its hash computed anew, so that only the link behind it can give it away.
            forged = Statement(Fact.CONSENT_GIVEN, "forged", None, {}, {})
            changed[at] = next_entry(changed[at - 1] if at else None, forged, AT, SALT)
        case _:
            changed[at] = draw(st.sampled_from(changes(entry)))
    return changed


def changes(entry: Entry) -> list[Entry]:
    """One entry per field, with that field changed."""
    other_hash = "f" * 64 if entry.hash != "f" * 64 else "e" * 64
    return [
        replace(entry, seq=entry.seq + 1),
        replace(entry, at="2026-01-31T10:00:00.000001Z"),
        replace(entry, fact="consent_forged"),
        replace(entry, call_id="another"),
        replace(entry, recording_id="another"),
        replace(entry, public={**entry.public, "forged": True}),
        replace(entry, commitment=other_hash),
        replace(entry, prev=other_hash),
        replace(entry, hash=other_hash),
    ]
