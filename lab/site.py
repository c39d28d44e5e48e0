"""The shipped dialplan and config around a private Asterisk: what `make up`, `demo` and tests run.

Callers and agents share one address, so the agent is told by the user part of From.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from lab.asterisk import PrivateAsterisk
from lab.asterisk_config import Ports
from lab.asterisk_tree import asterisk_root
from lab.ports import free_port

REPOSITORY = Path(__file__).parent.parent
SHIPPED_CONFIG = REPOSITORY / "config/examples/smart-eco-plus.yaml"
READY_SECONDS = 20.0

PJSIP = """\
[global]
type = global
endpoint_identifier_order = username,ip,anonymous

[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1:{sip}

[agent]
type = endpoint
context = from-agent
disallow = all
allow = ulaw,alaw
aors = agent
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
identify_by = username

[agent]
type = aor
contact = sip:agent@127.0.0.1:{agent}

[trunk]
type = endpoint
context = from-trunk
disallow = all
allow = ulaw,alaw
aors = trunk
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes

[trunk]
type = aor
contact = sip:127.0.0.1:{trunk}

[trunk]
type = identify
endpoint = trunk
match = 127.0.0.0/8
"""

EXTENSIONS = """\
#include {dialplan}/ari-controller.conf

[from-trunk]
; 0374800801 is the same with the notice as early media, 0374800802 rings nobody
; but writes down what it was told, as a site's own dialplan may, and waits.
exten => 0374800801,1,Gosub(ari-controller-inbound,s,1(${{EXTEN}},${{CONTEXT}},early))
 same => n,Dial(PJSIP/agent,30)
 same => n,Hangup()
exten => 0374800802,1,Gosub(ari-controller-inbound,s,1(${{EXTEN}},${{CONTEXT}}))
 same => n,Set(DB(lab-result/${{CALLERID(num)}})=${{ARI_CONTROLLER_RESULT}})
 same => n,Wait(30)
 same => n,Hangup()
exten => _[0-9+].,1,Gosub(ari-controller-inbound,s,1(${{FILTER(0-9+,${{EXTEN}})}},${{CONTEXT}}))
 same => n,Dial(PJSIP/agent,30)
 same => n,Hangup()

[from-agent]
exten => _9[0-9+].,1,Set(NUMBER=${{FILTER(0-9+,${{EXTEN:1}})}})
 same => n,Set(TO=PJSIP/trunk/sip:${{NUMBER}}@127.0.0.1:{trunk})
 same => n,Set(ASK=ari-controller-outbound^${{NUMBER}}^${{UNIQUEID}}^${{CONTEXT}})
 same => n,Dial(${{TO}},60,m(ari-controller-wait)U(${{ASK}}))
 same => n,Hangup()
"""


@dataclass(frozen=True)
class SitePorts:
    """Every port of a site; each is free unless the environment or the caller says which."""

    sip: int = field(default_factory=free_port)
    ari: int = field(default_factory=free_port)
    ami: int = field(default_factory=free_port)
    metrics: int = field(default_factory=free_port)
    agent: int = field(default_factory=free_port)
    trunk: int = field(default_factory=free_port)

    @classmethod
    def from_environment(cls, defaults: Mapping[str, int] | None = None) -> Self:
        """Take AC_SIP_PORT and its kind, then the defaults, then what is free."""
        defaults = defaults or {}
        given: dict[str, int] = {}
        for name in cls.__dataclass_fields__:
            variable = f"AC_{name.upper()}_PORT"
            text = os.environ.get(variable, "")
            if text and not (text.isdecimal() and 0 < int(text) < 2**16):
                raise ValueError(f"{variable}={text!r} is not a port: give a number up to 65535")
            if text:
                given[name] = int(text)
            elif name in defaults:
                given[name] = defaults[name]
        return cls(**given)


def state_directory(name: str) -> Path:
    """Return AC_DIR, or `.NAME` of the checkout."""
    return Path(os.environ.get("AC_DIR") or REPOSITORY / f".{name}")


class Site:
    """One Asterisk, one daemon, one rescue process, in one directory. `async with` runs them."""

    def __init__(
        self,
        directory: Path,
        ports: SitePorts | None = None,
        *,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.ports = ports or SitePorts()
        self.changes = dict(changes or {})
        self.config = self.directory / "ari-controller.yaml"
        self.spool = self.directory / "spool"
        self.archive = self.directory / "archive"
        self.log = self.directory / "daemon.log"
        self._secret = secrets.token_hex(16)
        self.asterisk = PrivateAsterisk(
            asterisk_root(),
            self.directory / "asterisk",
            ports=Ports(self.ports.sip, self.ports.ari, self.ports.ami),
            files=self._asterisk_files(),
        )
        self.daemon: asyncio.subprocess.Process | None = None
        self.rescue: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self.spool.mkdir(parents=True, exist_ok=True)
        self._write_config()
        try:
            await self.asterisk.start()
            self.rescue = await self._spawn("rescue")
            await self.start_daemon()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def start_daemon(self) -> None:
        """Start the daemon and wait until it is ready and the rescue process has seen it."""
        self.daemon = await self._spawn("run")
        async with asyncio.timeout(READY_SECONDS):
            while not await self._ready():
                if self.daemon.returncode is not None:
                    raise RuntimeError(f"the daemon did not start:\n{self._tail()}")
                await asyncio.sleep(0.05)

    async def stop_daemon(self, within: float = 40.0) -> int:
        """End the daemon by SIGTERM; return its exit code."""
        return await _end(self.daemon, within)

    async def kill_daemon(self) -> None:
        """End the daemon by SIGKILL, as a crash would."""
        if self.daemon is not None:
            self.daemon.kill()
            await self.daemon.wait()

    def hang_daemon(self) -> None:
        """Hold the daemon up by SIGSTOP, as a hung one would be; `revive_daemon` ends it."""
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGSTOP)

    async def revive_daemon(self) -> None:
        """Let a stopped daemon go on, or start one in a dead one's place."""
        if self.daemon is not None and self.daemon.returncode is None:
            self.daemon.send_signal(signal.SIGCONT)
        else:
            await self.start_daemon()

    async def get(self, path: str) -> tuple[int, str]:
        """GET a page of the daemon's HTTP door."""
        url = f"http://127.0.0.1:{self.ports.metrics}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    async def command(self, *arguments: str) -> str:
        """Run an `ari-controller` command and return what it printed; raise when it fails."""
        process = await asyncio.create_subprocess_exec(
            *_program(self.config),
            *arguments,
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{arguments}: {process.returncode}: {errors.decode()}")
        return output.decode()

    async def _ready(self) -> bool:
        try:
            status, _ = await self.get("/readyz")
        except aiohttp.ClientError:
            return False
        # Until the rescue process knows of the daemon, it lets its calls go.
        log = self.log.with_name("rescue.log").read_text(encoding="utf-8")
        return status == 200 and log.count("daemon is silent") == log.count("daemon is alive")

    async def _spawn(self, command: str) -> asyncio.subprocess.Process:
        with self.log.with_name(f"{'daemon' if command == 'run' else command}.log").open(
            "ab"
        ) as log:
            return await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *_program(self.config),
                command,
                cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _close(self) -> None:
        for process in (self.daemon, self.rescue):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGCONT)
        if self.rescue is not None:
            await _end(self.rescue, 5.0)
        if self.daemon is not None:
            await _end(self.daemon, 40.0)
        await self.asterisk.stop()

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return "\n".join(lines[-20:])

    def _asterisk_files(self) -> dict[str, str]:
        ports, config, dialplan = self.ports, REPOSITORY / "config", REPOSITORY / "dialplan"
        shipped = {
            name: (config / "asterisk" / name).read_text(encoding="utf-8")
            for name in ("ari.conf", "http.conf", "manager.conf")
        }
        return {
            "ari.conf": shipped["ari.conf"].replace("REPLACE-THIS-ARI-PASSWORD", self._secret),
            "manager.conf": shipped["manager.conf"]
            .replace("REPLACE-THIS-AMI-SECRET", self._secret)
            .replace("port = 5038", f"port = {ports.ami}"),
            "http.conf": shipped["http.conf"].replace("8088", str(ports.ari)),
            "features.conf": f"#include {dialplan}/features.conf\n",
            "musiconhold.conf": (dialplan / "musiconhold.conf")
            .read_text(encoding="utf-8")
            .replace("/etc/ari-controller/prompts", str(config / "prompts")),
            "pjsip.conf": PJSIP.format(sip=ports.sip, agent=ports.agent, trunk=ports.trunk),
            "extensions.conf": EXTENSIONS.format(dialplan=dialplan, trunk=ports.trunk),
        }

    def _write_config(self) -> None:
        """Take the shipped example and change the places, not the policies."""
        secret = self.directory / "secret"
        secret.touch(mode=0o600)
        secret.write_text(self._secret, encoding="utf-8")
        config = yaml.safe_load(SHIPPED_CONFIG.read_text(encoding="utf-8"))
        _absolute(config, SHIPPED_CONFIG.parent)
        config["asterisk"] = {
            "ari": {
                "url": f"http://127.0.0.1:{self.ports.ari}",
                "user": "ari-controller",
                "password_file": str(secret),
            },
            "ami": {
                "host": "127.0.0.1",
                "port": self.ports.ami,
                "user": "ari-controller",
                "password_file": str(secret),
            },
        }
        config["store"] = {"path": str(self.directory / "store.db")}
        config["control"] = {"socket": str(self.directory / "control.sock")}
        config["spool"] = {"path": str(self.spool)}
        config["archive"] = {"path": str(self.archive), "region": "RO"}
        config["http"] = {"host": "127.0.0.1", "port": self.ports.metrics}
        config |= self.changes
        text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
        self.config.write_text(text, encoding="utf-8")


def _program(config: Path) -> tuple[str, ...]:
    return sys.executable, "-m", "ari_controller", "--config", str(config)


def _absolute(node: Any, folder: Path) -> None:
    """Make the audio paths absolute: the file is written elsewhere than the shipped one."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value.endswith(".wav"):
                node[key] = str((folder / value).resolve())
            else:
                _absolute(value, folder)
    elif isinstance(node, list):
        for value in node:
            _absolute(value, folder)


async def _end(process: asyncio.subprocess.Process | None, within: float) -> int:
    if process is None:
        raise RuntimeError("it was never started")
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    return process.returncode or 0
