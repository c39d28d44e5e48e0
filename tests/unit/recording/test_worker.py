import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

import pytest

from ari_controller.recording import worker
from ari_controller.recording.job import NothingToSeal, SealJob
from tests.unit.recording.test_sealer import Room
from tests.unit.recording.wavs import NO_SAMPLES, SOFTWARE, Desk, wav

LONG_SECONDS = 1200


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_daemon_does_not_load_numpy_or_libsndfile() -> None:
    code = (
        "import sys, ari_controller.recording.sealer, ari_controller.recording.spool\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'soundfile')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603
    assert done.returncode == 0


async def test_a_worker_killed_in_its_work_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    room = Room(tmp_path)
    segment = room.desk.segment(
        "r1", wav(NO_SAMPLES, closed=False), wav(NO_SAMPLES, closed=False), seconds=LONG_SECONDS
    )
    for name in (segment.rx, segment.tx):
        os.truncate(room.desk.spool.path / name, 44 + LONG_SECONDS * 8000 * 2)
    room.add(room.desk.recording(segment))
    pools: list[Executor] = []

    def pool() -> Executor:
        pools.append(worker.pool())
        return pools[-1]

    async with room.sealing(pool):
        await room.until((room.archive.temporary_folder / "r1.flac").exists)
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 10
        os.kill(child.pid, signal.SIGKILL)
        await room.until(lambda: room.told("retry"))
        assert room.outcomes[0].reason == "worker_died"
        assert len(room.desk.left()) == 2
        await room.until(room.all_done)
    assert room.is_sealed_once_and_clean()
    assert len(pools) == 2
    assert multiprocessing.active_children() == []


async def test_an_error_in_the_worker_comes_back_as_what_it_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "spool")
    recording = desk.recording(desk.segment("r1", b"garbage", None))
    job = SealJob(desk.spool, recording, tmp_path / "r1.flac", SOFTWARE)
    with worker.pool() as pool, pytest.raises(NothingToSeal):
        await asyncio.get_running_loop().run_in_executor(pool, worker.seal, job)


def test_a_stop_of_the_whole_service_leaves_the_worker_to_the_daemon() -> None:
    with worker.pool() as pool:
        pid = pool.submit(os.getpid).result()
        for name in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, name)
            assert pool.submit(os.getpid).result() == pid


PARENT = """
import os, sys, time
from ari_controller.recording import worker
if __name__ == "__main__":
    pool = worker.pool()
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def test_a_worker_does_not_outlive_a_killed_daemon(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    command = [sys.executable, str(script)]
    env = os.environ | {"PYTHONPATH": str(Path(worker.__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as parent:  # noqa: S603
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.01)
