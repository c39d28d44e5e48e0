import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ari_controller.cli import exits
from ari_controller.control.server import ControlServer
from tests.unit.cli.conftest import Run
from tests.unit.cli.site import RECORDED, RECORDING, REFUSED, Site
from tests.unit.control import port
from tests.unit.control.port import OneCall
from tests.unit.store.samples import NUMBER

MASKED = "+40*******67"


@contextmanager
def daemon(path: Path) -> Iterator[OneCall]:
    """Serve the control socket from another thread, as another process would."""
    one, serving = OneCall(), threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        event = asyncio.Event()
        stop.append((asyncio.get_running_loop(), event))
        async with ControlServer(path, one):
            serving.set()
            await event.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert serving.wait(10)
    try:
        yield one
    finally:
        loop, event = stop[0]
        loop.call_soon_threadsafe(event.set)
        thread.join(10)


def test_calls_are_listed_newest_first_with_masked_numbers(run: Run) -> None:
    listed = run("calls", "list", "--json").json["calls"]
    assert [(call["call_id"], call["outcome"]) for call in listed] == [
        (REFUSED, "refused"),
        (RECORDED, None),
    ]
    assert {call["number"] for call in listed} == {MASKED}
    table = run("calls", "list").out
    assert "opt_out_key" in table
    assert MASKED in table
    assert NUMBER not in table


@pytest.mark.parametrize(
    ("since", "calls"),
    [
        ("2026-11-24", [REFUSED, RECORDED]),
        ("2026-11-24T00:52", [REFUSED]),
        ("2026-11-24 00:51:44", [REFUSED, RECORDED]),
        ("2026-11-25", []),
    ],
)
def test_since_is_in_the_configurations_time_zone(run: Run, since: str, calls: list[str]) -> None:
    listed = run("calls", "list", "--since", since, "--json").json["calls"]
    assert [call["call_id"] for call in listed] == calls


def test_the_limit_cuts_the_oldest(run: Run) -> None:
    listed = run("calls", "list", "--limit", "1", "--json").json["calls"]
    assert [call["call_id"] for call in listed] == [REFUSED]


def test_no_calls_is_said_in_words(run: Run, site: Site) -> None:
    site.spoil("DELETE FROM segments", "DELETE FROM recordings", "DELETE FROM calls")
    assert run("calls", "list").out == "no calls\n"


def test_a_call_is_shown_with_its_recordings_and_what_the_ledger_holds(run: Run) -> None:
    shown = run("calls", "show", RECORDED, "--json").json
    assert shown["call"]["number"] == MASKED
    assert shown["recordings"] == [{"recording_id": RECORDING, "state": "sealed"}]
    facts = [entry["fact"] for entry in shown["ledger"]]
    assert facts == [
        "call_entered",
        "consent_given",
        "recording_started",
        "recording_stopped",
        "recording_sealed",
    ]
    text = run("calls", "show", RECORDED).out
    assert RECORDING in text
    assert NUMBER not in text


def test_the_full_number_is_shown_only_when_asked_for(run: Run) -> None:
    shown = run("calls", "show", RECORDED, "--full-numbers", "--json").json
    assert shown["call"]["number"] == NUMBER


def test_an_unknown_call_is_a_problem_found(run: Run) -> None:
    ran = run("calls", "show", "c-none")
    assert (ran.code, ran.out) == (exits.FOUND_PROBLEMS, "")
    assert "there is no call 'c-none'" in ran.err


def test_a_withdrawal_goes_through_the_daemon(run: Run, site: Site) -> None:
    with daemon(site.socket) as one:
        args = ("calls", "withdraw", port.RECORDED, "--reason", "asked on the phone")
        assert run(*args, "--author", "ana", "--json").json["withdrawn"] is True
        assert one.withdrawals == [(port.RECORDED, "ana", "asked on the phone")]
        assert run("calls", "withdraw", port.UNRECORDED, "--reason", "r").code == 1
        assert "no such call" in run("calls", "withdraw", "none", "--reason", "r").err


def test_without_a_daemon_a_withdrawal_is_unavailable(run: Run) -> None:
    ran = run("calls", "withdraw", RECORDED, "--reason", "r")
    assert ran.code == exits.UNAVAILABLE
    assert "is ari-controller running?" in ran.err
