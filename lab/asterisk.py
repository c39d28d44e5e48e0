"""A private Asterisk as a child process: no root, its own directories and ports."""

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lab.asterisk_config import LIBRARIES, Ports, base_files
from lab.ports import is_free

SOCKET_PATH_LIMIT = 100  # of the 107 characters that a Unix socket's path may have
LOADERS = ("usr/lib64/ld-linux-x86-64.so.2", f"{LIBRARIES}/ld-linux-x86-64.so.2")
LOG_TAIL_LINES = 15


class AsteriskError(Exception):
    """Asterisk did not start, stop or obey; the message holds the end of its log."""


class Channel(NamedTuple):
    """One line of `core show channels concise`, the part that tests ask for."""

    name: str
    context: str
    exten: str
    priority: str
    state: str
    application: str
    uniqueid: str


class PrivateAsterisk:
    """One Asterisk from an unpacked tree, with everything that it writes below `state`.

    `files` are laid over the base configuration by name. The process dies with its parent.
    """

    def __init__(
        self, root: Path, state: Path, *, ports: Ports, files: Mapping[str, str] | None = None
    ) -> None:
        self.root = root.resolve()
        self.state = state.resolve()
        self.ports = ports
        self.files = dict(files or {})
        self._process: asyncio.subprocess.Process | None = None
        self._run_dir = self.state / "var/run"
        library = self.root / LIBRARIES
        loader = next((self.root / path for path in LOADERS if (self.root / path).exists()), None)
        if loader is None:
            raise AsteriskError(f"{self.root} holds no loader: unpack it with asterisk-setup.sh")
        self._command = (
            str(loader),
            "--library-path",
            f"{library}:{library}/asterisk",
            str(self.root / "usr/sbin/asterisk"),
            "-C",
            str(self.etc / "asterisk.conf"),
        )

    @property
    def etc(self) -> Path:
        """The directory of the configuration files."""
        return self.state / "etc"

    @property
    def log(self) -> Path:
        """The log with everything down to verbose."""
        return self.state / "var/log/full"

    @property
    def monitor(self) -> Path:
        """Where MixMonitor puts names without a directory."""
        return self.state / "var/spool/monitor"

    @property
    def sounds(self) -> Path:
        """Where Playback looks for names without a directory, below `en`."""
        return self.state / "var/data/sounds"

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        if self._process is None or self._process.returncode is not None:
            raise AsteriskError("Asterisk is not running")
        return self._process.pid

    async def start(self, within: float = 20.0) -> None:
        """Write the configuration, start, and return once SIP, ARI and dialplan are ready."""
        if self._process is not None and self._process.returncode is None:
            raise AsteriskError("Asterisk is running already")
        if shutil.which("setpriv") is None:
            raise AsteriskError("setpriv is missing: install the package util-linux")
        self._require_free_ports()
        self._prepare()
        with (self.state / "var/log/console").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *self._command,
                *("-f", "-n"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            async with asyncio.timeout(within):
                await self._booted()
        except TimeoutError:
            await self.kill()
            raise AsteriskError(f"Asterisk was not ready in {within:g} s{self._tail()}") from None
        except BaseException:
            await self.kill()
            raise

    async def stop(self, within: float = 10.0) -> None:
        """Let Asterisk end its calls and close its files; SIGKILL if that takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise AsteriskError(f"Asterisk did not stop in {within:g} s{self._tail()}") from None
        self._forget()

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash would; `start` works again afterwards."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._forget()

    async def cli(self, command: str, within: float = 10.0) -> str:
        """Run a console command and return what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(within):
                output, _ = await process.communicate()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise AsteriskError(f"no answer to {command!r} in {within:g} s") from None
            raise
        text = output.decode(errors="replace").strip()
        if process.returncode != 0:
            raise AsteriskError(f"{command!r}: {text}")
        return text

    async def channels(self) -> list[Channel]:
        """List the channels that exist now."""
        rows = (await self.cli("core show channels concise")).splitlines()
        # The name comes first and the uniqueid last; data in between may hold anything.
        fields = [row.split("!") for row in rows if row.count("!") >= len(Channel._fields)]
        return [Channel._make([*field[:6], field[-1]]) for field in fields]

    def _require_free_ports(self) -> None:
        """Refuse ports of another program: its answers would be taken for this Asterisk's."""
        uses = {
            "SIP (UDP)": (self.ports.sip, socket.SOCK_DGRAM),
            "ARI (TCP)": (self.ports.ari, socket.SOCK_STREAM),
            "AMI (TCP)": (self.ports.ami, socket.SOCK_STREAM),
        }
        for name, (port, kind) in uses.items():
            if not is_free(port, kind):
                raise AsteriskError(
                    f"port {port} for {name} on 127.0.0.1 is in use: "
                    "stop the program that has it or choose another port"
                )

    def _prepare(self) -> None:
        var = self.state / "var"
        for name in ("lib/keys", "spool/monitor", "log", "cache", "data/sounds"):
            (var / name).mkdir(parents=True, exist_ok=True)
        self.etc.mkdir(parents=True, exist_ok=True)
        if len(str(self._run_dir / "asterisk.ctl")) > SOCKET_PATH_LIMIT:
            self._run_dir = Path(tempfile.mkdtemp(prefix="asterisk-"))
        self._run_dir.mkdir(mode=0o700, exist_ok=True)
        files = base_files(self.root, self.state, self._run_dir, self.ports) | self.files
        for name, text in files.items():
            path = self.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self._link_data(var / "data")

    def _link_data(self, data: Path) -> None:
        """Join the two places where the packages put Asterisk's data, with our own sounds."""
        for part in (self.root / "usr/share/asterisk", self.root / "var/lib/asterisk"):
            for source in part.iterdir() if part.exists() else ():
                if source.name != "sounds" and not (data / source.name).is_symlink():
                    (data / source.name).symlink_to(source)
        english = self.root / "usr/share/asterisk/sounds/en_US_f_Allison"
        if not (data / "sounds/en").exists():
            (data / "sounds/en").symlink_to(english)

    async def _booted(self) -> None:
        while not await self._listens():
            self._require_alive()
            await asyncio.sleep(0.05)
        await self.cli("core waitfullybooted")
        while not await asyncio.to_thread(self._ari_answers):
            self._require_alive()
            await asyncio.sleep(0.05)

    async def _listens(self) -> bool:
        """Tell whether the console's socket answers; one that a crash left behind does not."""
        try:
            _, writer = await asyncio.open_unix_connection(self._run_dir / "asterisk.ctl")
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    def _require_alive(self) -> None:
        assert self._process is not None
        if self._process.returncode is not None:
            code = self._process.returncode
            raise AsteriskError(f"Asterisk ended with {code} while it started{self._tail()}")

    def _ari_answers(self) -> bool:
        url = f"http://127.0.0.1:{self.ports.ari}/ari/asterisk/ping"
        try:
            urllib.request.urlopen(url, timeout=2.0).close()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == 401  # it wants a password: ARI is there
        except OSError:
            return False
        return True

    def _tail(self) -> str:
        for path in (self.state / "var/log/messages", self.state / "var/log/console"):
            if path.exists() and path.stat().st_size:
                lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
                return f"; the end of {path}:\n" + "\n".join(lines)
        return ""

    def _forget(self) -> None:
        self._process = None
        if not self._run_dir.is_relative_to(self.state):
            shutil.rmtree(self._run_dir, ignore_errors=True)
