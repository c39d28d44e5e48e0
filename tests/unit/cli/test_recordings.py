import json
from collections.abc import Callable

import pytest

from ari_controller.cli import exits
from tests.unit.cli.conftest import Run
from tests.unit.cli.site import RECORDED, RECORDING, Site

Spoil = Callable[[Site], None]


def test_recordings_are_listed_and_chosen_by_state(run: Run) -> None:
    (listed,) = run("recordings", "list", "--json").json["recordings"]
    assert (listed["recording_id"], listed["call_id"]) == (RECORDING, RECORDED)
    assert run("recordings", "list", "--state", "failed").out == "no recordings\n"
    assert RECORDING in run("recordings", "list", "--state", "sealed").out


def test_a_recording_is_shown_with_its_file_facts_and_segments(run: Run, site: Site) -> None:
    shown = run("recordings", "show", RECORDING, "--json").json["recording"]
    assert shown["file"] == str(site.archive.audio(site.path))
    assert shown["facts"]["consent"]["ledger_seq"] > 0
    assert [segment["number"] for segment in shown["segments"]] == [1]
    assert shown["sha256"] in run("recordings", "show", RECORDING).out
    assert run("recordings", "show", "r-none").code == exits.FOUND_PROBLEMS


@pytest.mark.parametrize("which", [RECORDING, "--all"])
def test_an_intact_recording_is_verified(run: Run, which: str) -> None:
    ran = run("recordings", "verify", which, "--json")
    assert ran.code == exits.OK
    assert ran.json["recordings"] == [{"recording_id": RECORDING, "intact": True, "problems": []}]
    assert ran.json["ledger_entries"] > 0
    assert run("recordings", "verify", which).code == exits.OK


def audio_changed(site: Site) -> None:
    audio = site.archive.audio(site.path)
    content = bytearray(audio.read_bytes())
    content[-1] ^= 1
    audio.write_bytes(content)


def audio_gone(site: Site) -> None:
    site.archive.audio(site.path).unlink()


def facts_changed(site: Site) -> None:
    path = site.archive.sidecar(site.path)
    document = json.loads(path.read_bytes())
    document["facts"]["direction"] = "outbound"
    path.write_text(json.dumps(document))


def sidecar_is_nonsense(site: Site) -> None:
    site.archive.sidecar(site.path).write_text("{}")


def store_has_another_hash(site: Site) -> None:
    site.spoil("UPDATE recordings SET sha256 = hex(zeroblob(32))")


def store_points_outside(site: Site) -> None:
    site.spoil("UPDATE recordings SET archive_path = '../../etc/passwd'")


def consent_is_named_wrongly(site: Site) -> None:
    site.spoil(
        "UPDATE recordings SET facts = json_set(facts, '$.consent.ledger_seq', 1,"
        " '$.consent.ledger_hash', (SELECT hash FROM ledger WHERE seq = 1))"
    )


def consent_is_not_named(site: Site) -> None:
    site.spoil("UPDATE recordings SET facts = json_remove(facts, '$.consent')")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (audio_changed, "SHA-256"),
        (audio_gone, "missing"),
        (facts_changed, "sidecar and store differ in the facts"),
        (sidecar_is_nonsense, "not a sidecar"),
        (store_has_another_hash, "the ledger holds another SHA-256"),
        (store_points_outside, "archive path"),
        (consent_is_named_wrongly, "does not hold the consent"),
        (consent_is_not_named, "does not hold the consent"),
    ],
)
def test_whatever_was_changed_is_found(run: Run, site: Site, spoil: Spoil, problem: str) -> None:
    spoil(site)
    ran = run("recordings", "verify", RECORDING, "--json")
    assert ran.code == exits.FOUND_PROBLEMS
    (verdict,) = ran.json["recordings"]
    assert verdict["intact"] is False
    assert problem in "; ".join(verdict["problems"])


def test_a_recording_that_is_not_there_or_not_sealed_is_not_intact(run: Run, site: Site) -> None:
    site.spoil("UPDATE recordings SET state = 'destroyed'")
    ran = run("recordings", "verify", RECORDING, "r-none", "--json")
    assert ran.code == exits.FOUND_PROBLEMS
    assert [verdict["problems"] for verdict in ran.json["recordings"]] == [
        ["there is nothing to verify: it is destroyed"],
        ["there is no such recording"],
    ]


def test_no_recording_is_verified_against_a_ledger_that_does_not_hold(run: Run, site: Site) -> None:
    site.spoil("UPDATE ledger SET fact = 'call_ended' WHERE seq = 2")
    ran = run("recordings", "verify", "--all")
    assert ran.code == exits.FOUND_PROBLEMS
    assert "ledger entry 2" in ran.err


def test_a_file_in_the_archive_that_nobody_knows_is_found(run: Run, site: Site) -> None:
    stray = site.archive.audio(site.path).with_name("r-stray.flac")
    stray.touch()
    ran = run("recordings", "verify", "--all", "--json")
    assert ran.code == exits.FOUND_PROBLEMS
    assert ran.json["strays"] == [str(stray.relative_to(site.archive.root))]
