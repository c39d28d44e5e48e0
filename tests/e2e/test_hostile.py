"""Callers who put into their number, their name or what they dial what does not belong there."""

import asyncio
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import quote

import pytest

from ari_controller.store import calls
from ari_controller.store.calls import CallRow
from lab.phone import CallEndedError, OutgoingCall
from lab.site import Site
from lab.story import AGENT_HZ, DID
from lab.tones import await_tone
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARK = "Qwertzuiop"
EVIL = [
    f'{MARK} "Q" \\ O\'Neil',
    f"{MARK},m(x),System(touch {MARK})",
    f"{MARK};Action=Hangup&x=1#",
    f"${{SHELL(touch {MARK})}}",
    f"{MARK}%0d%0aAction: Originate%00",
    f"{MARK} ăîșțâ 日本 \u202e\u0301",
    f"../../{MARK}/../etc/passwd",
    MARK * 20,
]
# In a SIP address everything can be encoded; in a name a line break would end the header.
ENCODED = [*EVIL, f"{MARK}\r\nAction: Originate\r\n\r\n", f"{MARK}\t\x1b[2J"]


async def outcome_of(call: OutgoingCall) -> int:
    """Talk to the agent for a moment and return 200, or the code of the refusal."""
    try:
        await call.audio(15.0)
        await await_tone(call, AGENT_HZ, 15.0)
        await call.hang_up()
    except CallEndedError:
        assert call.ending is not None
        return call.ending.code or 0
    return 200


def logged_or_named(site: Site) -> list[str]:
    """Return the logs and the names of files that hold anything of the callers' text."""
    logs = [site.log, site.log.with_name("rescue.log")]
    found = [log.name for log in logs if MARK.encode() in log.read_bytes()]
    places = (*site.directory.glob("**/"), Path.cwd(), Path(gettempdir()))
    return [*found, *(str(path) for place in places for path in place.glob(f"*{MARK}*"))]


def kept(site: Site) -> list[str]:
    """Return the files of store and archive that hold anything of the callers' text."""
    files = [*site.directory.glob("store.db*"), *site.archive.glob("*/*/*/*")]
    return [path.name for path in files if MARK.encode() in path.read_bytes()]


async def test_whatever_a_caller_is_named_the_call_is_recorded_under_our_own_names(
    fast_stage: Stage,
) -> None:
    stage, uri = fast_stage, f"sip:{DID}@{fast_stage.cast.server}"
    numbers = {new_number(): name for name in EVIL}

    async def call(number: str, name: str) -> int:
        phone = stage.cast.caller
        return await outcome_of(await phone.call(uri, 700, user=number, name=name))

    outcomes = await asyncio.gather(*(call(*caller) for caller in numbers.items()))
    assert outcomes == [200] * len(EVIL)
    for number in numbers:
        assert await stage.sealed(number)
    assert (logged_or_named(stage.site), kept(stage.site)) == ([], [])


async def test_whatever_a_caller_says_is_their_number_the_daemon_lives_and_calls_go_on(
    fast_stage: Stage,
) -> None:
    stage, uri = fast_stage, f"sip:{DID}@{fast_stage.cast.server}"
    daemon = stage.site.daemon
    assert daemon is not None

    async def call(user: str) -> int:
        return await outcome_of(await stage.cast.caller.call(uri, 700, user=user))

    before = nobody(stage)
    outcomes = await asyncio.gather(*(call(user) for user in (*ENCODED, "anonymous")))
    assert all(code == 200 or code >= 400 for code in outcomes)
    assert outcomes[-1] == 200
    # Who gives no number that can be told is asked like anybody else.
    passed = outcomes.count(200)
    await eventually(lambda: len(nobody(stage)) == len(before) + passed)
    assert {row.outcome for row in nobody(stage)} == {"recorded"}
    assert daemon.returncode is None
    assert (await stage.site.get("/readyz"))[0] == 200
    assert (logged_or_named(stage.site), kept(stage.site)) == ([], [])


async def test_whatever_a_caller_dials_nothing_of_it_is_obeyed(fast_stage: Stage) -> None:
    stage, daemon = fast_stage, fast_stage.site.daemon
    assert daemon is not None
    dialled = {new_number(): text for text in (*ENCODED, ",elsewhere,early")}

    async def call(number: str, text: str) -> int:
        uri = f"sip:{DID}{quote(text, safe='')}@{stage.cast.server}"
        return await outcome_of(await stage.cast.caller.call(uri, 700, user=number))

    outcomes = await asyncio.gather(*(call(*one) for one in dialled.items()))
    assert all(code == 200 or code >= 400 for code in outcomes)
    rows = [row for number in dialled if (row := stage.call_of(number)) is not None]
    assert len(rows) == outcomes.count(200)
    assert {(row.context, row.media) for row in rows} == {("from-trunk", "answered")}
    assert daemon.returncode is None
    assert (await stage.site.get("/readyz"))[0] == 200
    assert logged_or_named(stage.site) == []


def nobody(stage: Stage) -> list[CallRow]:
    """Return the calls of callers without a number that have ended."""
    rows = stage.read(lambda connection: calls.recent(connection, 1000))
    return [row for row in rows if row.number is None and row.ended_at is not None]
