"""The worker process: work on audio runs here, at low priority, away from the calls.

The daemon imports this module; numpy and libsndfile are imported only inside the worker.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from ari_controller.core.model import SealedRecording, StoppedRecording
from ari_controller.recording.archive import LocalArchive
from ari_controller.recording.job import SealJob
from ari_controller.recording.sidecar import Sidecar

_NICENESS = 10


def pool() -> ProcessPoolExecutor:
    """Return an executor with one worker, which starts with the first job."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin)


def seal(job: SealJob) -> Sidecar:
    """Seal in the worker; see `seal.seal`."""
    from ari_controller.recording import seal as work  # noqa: PLC0415 — numpy stays in the worker

    return work.seal(job)


def problems(archive: LocalArchive, expected: SealedRecording) -> list[str]:
    """Verify in the worker; see `verify.problems`."""
    from ari_controller.recording import verify  # noqa: PLC0415 — numpy stays in the worker

    return verify.problems(archive, expected)


def stored(archive: LocalArchive, path: str, recording: StoppedRecording) -> SealedRecording | None:
    """Look for an earlier run's work in the worker; see `verify.stored`."""
    from ari_controller.recording import verify  # noqa: PLC0415 — numpy stays in the worker

    return verify.stored(archive, path, recording)


def _begin() -> None:
    os.nice(_NICENESS)
    # A stop goes to the whole service; the daemon lets the step in hand end, then ends the worker.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End at once when the daemon was killed: a pool's worker would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
