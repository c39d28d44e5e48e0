import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_controller.core.model import SealedRecording
from ari_controller.recording.sidecar import (
    Audio,
    Sidecar,
    SidecarError,
    describe,
    encode,
    inside,
    load,
    sealed,
    tags,
    write,
)
from tests.unit.recording.wavs import FACTS, SOFTWARE, Desk, tone, wav

AUDIO = Audio("r1.flac", 8000, 8000, 1.0, sha256="ab" * 32, size_bytes=1234)


def sidecar(tmp_path: Path, facts: dict[str, object] | None = None) -> Sidecar:
    desk = Desk(tmp_path)
    segment = desk.segment("r1", wav(tone(1000, 1)), wav(tone(1300, 1)))
    recording = desk.recording(segment)
    if facts is not None:
        recording.facts.clear()
        recording.facts.update(facts)
    return describe(recording, (), AUDIO, ("short",), SOFTWARE)


def test_the_sidecar_carries_the_facts_whole_and_what_sealing_found(tmp_path: Path) -> None:
    document = json.loads(encode(sidecar(tmp_path)))
    assert document["format"] == {"name": "ari-controller-recording", "version": 1}
    assert document["facts"] == FACTS
    assert document["started_at"] == "2026-11-23T22:51:44.250000Z"
    assert document["stopped_at"] == "2026-11-23T22:51:45.250000Z"
    assert document["stop_reason"] == "hangup"
    assert document["retention_until"] == "2027-05-23T22:51:44Z"
    assert document["software"] == SOFTWARE
    assert document["audio"]["channels"] == ["customer", "agent"]
    assert document["audio"]["sha256"] == "ab" * 32
    assert document["marks"] == ["short"]
    assert document["encryption"] is None


def test_the_file_is_readable_utf8_and_the_same_for_the_same_facts(tmp_path: Path) -> None:
    data = encode(sidecar(tmp_path))
    assert "îmbunătățirea calității".encode() in data
    assert data == encode(load(data))
    assert data.endswith(b"}\n")


async def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    document = sidecar(tmp_path)
    await write(tmp_path / "r1.json", document)
    assert load((tmp_path / "r1.json").read_bytes()) == document


def test_the_tags_hold_every_fact_but_hash_and_size(tmp_path: Path) -> None:
    document = sidecar(tmp_path)
    inner = tags(document)
    assert load(inner["comment"].encode()) == inside(document)
    assert inner["title"] == "r1"
    assert inner["date"] == document.started_at
    assert inner["software"] == "ari-controller 0.1.0"
    assert inner["copyright"] == "Smart Eco Plus SRL, Târgu Mureș"
    assert inner["license"] == "consent: îmbunătățirea calității, instruirea personalului"


def test_facts_that_miss_what_the_tags_for_people_want_do_no_harm(tmp_path: Path) -> None:
    inner = tags(sidecar(tmp_path, {"data_controller": "x", "purposes": None}))
    assert (inner["copyright"], inner["license"]) == ("", "")


def test_a_sealed_recording_needs_hash_and_size(tmp_path: Path) -> None:
    document = sidecar(tmp_path)
    expected = SealedRecording("r1", "2026/11/23/r1.flac", "ab" * 32, 1234, 1.0, ("short",))
    assert sealed(document, "2026/11/23/r1.flac") == expected
    with pytest.raises(SidecarError, match="hash and size"):
        sealed(inside(document), "2026/11/23/r1.flac")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": {"name": "ari-controller-recording", "version": 2}}, "version"),
        ({"recording_id": 7}, "recording_id"),
        ({"surprise": 1}, "surprise"),
        ({"encryption": {"key": "x"}}, "encryption"),
    ],
)
def test_another_version_or_field_is_refused_by_name(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    document = json.loads(encode(sidecar(tmp_path))) | change
    with pytest.raises(SidecarError, match=named):
        load(json.dumps(document).encode())


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing_but_sidecar_error(data: bytes) -> None:
    with pytest.raises(SidecarError):
        load(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_facts_come_back_from_file_and_tag_alike(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, object]
) -> None:
    document = sidecar(tmp_path_factory.getbasetemp(), facts)
    assert document.facts == facts
    assert load(encode(document)) == document
    assert load(tags(document)["comment"].encode()) == inside(document)


def test_half_a_surrogate_pair_does_not_stop_a_sealing(tmp_path: Path) -> None:
    document = sidecar(tmp_path, {"name": "x\ud800", "x\udfff": "NUL \0"})
    assert document.facts == {"name": "x?", "x?": "NUL \0"}
    assert load(encode(document)) == document


def test_a_tag_for_people_loses_its_nul_and_nothing_behind_it(tmp_path: Path) -> None:
    document = sidecar(tmp_path, {"data_controller": {"name": "A\0B"}})
    assert tags(document)["copyright"] == "A B"


def test_the_example_in_the_docs_is_a_sidecar() -> None:
    page = Path(__file__).parents[3] / "docs" / "archive-format.md"
    example = page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    assert encode(load(example.encode())) == example.encode()
