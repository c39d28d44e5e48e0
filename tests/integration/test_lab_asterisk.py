"""The private Asterisk as a child process: start, end, crash, and what it says when it cannot."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.asterisk import AsteriskError, PrivateAsterisk
from lab.asterisk_config import Ports
from lab.asterisk_tree import NoAsteriskError
from lab.asterisk_tree import asterisk_root as find_asterisk_root
from lab.ports import free_port

PARENT = """
import asyncio, sys
from pathlib import Path
from lab.asterisk import PrivateAsterisk
from lab.asterisk_config import Ports

async def main():
    ports = Ports(*map(int, sys.argv[3:]))
    asterisk = PrivateAsterisk(Path(sys.argv[1]), Path(sys.argv[2]), ports=ports)
    await asterisk.start()
    print(asterisk.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


TABLES = ("tcp", "udp", "tcp6", "udp6")
LOOPBACK = "0100007F"
KERNEL_PORTS = range(32768, 65536)


def sockets_of(pid: int, table: str) -> Iterator[tuple[str, int]]:
    """Yield the local address, as the kernel writes it, and port of each socket."""
    links = (entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir())
    inodes = {str(link).removeprefix("socket:[").removesuffix("]") for link in links}
    for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[9] in inodes:
            address, _, port = fields[1].partition(":")
            yield address, int(port, 16)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run_dir_of(state: Path) -> Path:
    lines = (state / "etc/asterisk.conf").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("astrundir"))
    return Path(line.split(" => ")[1])


def some_ports() -> Ports:
    return Ports(sip=free_port(), ari=free_port(), ami=free_port())


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] != "Z"


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(5):
        while lives(pid):  # noqa: ASYNC110, another program's end is no event of ours
            await asyncio.sleep(0.02)


async def test_it_starts_again_after_a_stop_and_after_a_crash(
    asterisk_root: Path, tmp_path: Path
) -> None:
    asterisk = PrivateAsterisk(asterisk_root, tmp_path, ports=some_ports())
    for end in (asterisk.stop, asterisk.kill, asterisk.stop):
        await asterisk.start()
        pid = asterisk.pid
        assert "Asterisk 22" in await asterisk.cli("core show version")
        assert await asterisk.channels() == []
        await end()
        assert not lives(pid)
        with pytest.raises(AsteriskError, match="not running"):
            _ = asterisk.pid


async def test_its_log_is_quiet_about_what_the_lab_does_not_configure(
    asterisk_root: Path, tmp_path: Path
) -> None:
    asterisk = PrivateAsterisk(asterisk_root, tmp_path, ports=some_ports())
    await asterisk.start()
    await asterisk.stop()
    messages = (tmp_path / "var/log/messages").read_text()
    assert [line for line in messages.splitlines() if " ERROR[" in line] == []


async def test_it_listens_on_loopback_alone(asterisk_root: Path, tmp_path: Path) -> None:
    asterisk = PrivateAsterisk(asterisk_root, tmp_path, ports=some_ports())
    await asterisk.start()
    served = {table: set(sockets_of(asterisk.pid, table)) for table in TABLES}
    await asterisk.stop()
    assert {port for _, port in served["tcp"]} == {asterisk.ports.ari, asterisk.ports.ami}
    assert asterisk.ports.sip in {port for _, port in served["udp"]}
    for table, sockets in served.items():
        # What the kernel numbered is PJSIP's own DNS client, which no setting turns off.
        ours = {(address, port) for address, port in sockets if port not in KERNEL_PORTS}
        assert {address for address, _ in ours} <= {LOOPBACK}, f"{table}: {sockets}"


async def test_a_long_state_directory_gets_a_short_private_socket(
    asterisk_root: Path, tmp_path: Path
) -> None:
    state = tmp_path / ("long" * 25)
    asterisk = PrivateAsterisk(asterisk_root, state, ports=some_ports())
    for _ in ("first start", "second start"):
        await asterisk.start()
        run_dir = run_dir_of(state)
        assert mode_of(run_dir) == 0o700
        assert "Asterisk" in await asterisk.cli("core show version")
        await asterisk.stop()
        with pytest.raises(FileNotFoundError):
            mode_of(run_dir)


async def test_it_dies_with_its_parent(asterisk_root: Path, tmp_path: Path) -> None:
    ports = some_ports()
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, asterisk_root, tmp_path,
        str(ports.sip), str(ports.ari), str(ports.ami),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    async with asyncio.timeout(20):
        pid = int(await parent.stdout.readline())
    assert lives(pid)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until_dead(pid)


async def test_a_port_of_another_program_is_refused(asterisk_root: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = Ports(sip=free_port(), ari=port, ami=free_port())
        asterisk = PrivateAsterisk(asterisk_root, tmp_path, ports=ports)
        with pytest.raises(AsteriskError, match=rf"port {port} for ARI .* choose another port"):
            await asterisk.start()


async def test_an_asterisk_that_cannot_start_shows_its_log(
    asterisk_root: Path, tmp_path: Path
) -> None:
    files = {"modules.conf": "[modules]\nautoload = no\nrequire = no_such_module.so\n"}
    asterisk = PrivateAsterisk(asterisk_root, tmp_path, ports=some_ports(), files=files)
    with pytest.raises(AsteriskError, match="no_such_module"):
        await asterisk.start()


def test_a_tree_that_is_not_there_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AC_ASTERISK_ROOT", str(tmp_path))
    with pytest.raises(NoAsteriskError, match=r"has no root/usr/sbin/asterisk: unset it"):
        find_asterisk_root()


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NoAsteriskError, match="is no finished Asterisk tree: remove it"):
        find_asterisk_root(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_machine_without_apt_is_told_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for tool in ("bash", "realpath", "env"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAsteriskError, match=r"^asterisk-setup: apt-get is missing: run this on"):
        find_asterisk_root(tmp_path / "tree")


def test_a_mirror_out_of_reach_leaves_nothing_half_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", f"http://127.0.0.1:{free_port()}/debian")
    tree = tmp_path / "tree"
    with pytest.raises(NoAsteriskError, match=r"cannot be read for sid .*: check the network"):
        find_asterisk_root(tree)
    assert not tree.exists()
