"""A private Asterisk per module, with the users that we ship."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lab.asterisk import PrivateAsterisk
from lab.asterisk_config import Ports
from lab.asterisk_tree import asterisk_root
from lab.ports import free_port
from tests.integration.asterisk.doors import AMI_SECRET, ARI_PASSWORD, Exchange, exchange

CONFIG = Path(__file__).parents[3] / "config" / "asterisk"

EXTENSIONS = """\
[lab]
exten => wait,1,Answer()
 same => n,Wait(120)
exten => keys,1,Answer()
 same => n,Wait(0.3)
 same => n,SendDTMF(5#,100,150)
 same => n,Wait(120)
exten => offer,1,Answer()
 same => n,StasisBroadcast(5000,,outbound:x=1)
 same => n,Set(GLOBAL(LAB_OFFER)=${STASISSTATUS})
 same => n,Wait(120)
exten => short,1,Answer()
 same => n,StasisBroadcast(100,,outbound)
 same => n,Wait(120)
"""


def shipped_config(ports: Ports) -> dict[str, str]:
    """Return our own configuration files with this lab's secrets and ports in them."""
    replacements = {
        "REPLACE-THIS-ARI-PASSWORD": ARI_PASSWORD,
        "REPLACE-THIS-AMI-SECRET": AMI_SECRET,
        "bindport = 8088": f"bindport = {ports.ari}",
        "port = 5038": f"port = {ports.ami}",
    }
    files = {}
    for name in ("ari.conf", "http.conf", "manager.conf"):
        text = (CONFIG / name).read_text(encoding="utf-8")
        for placeholder, value in replacements.items():
            text = text.replace(placeholder, value)
        files[name] = text
    return files


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateAsterisk]:
    ports = Ports(sip=free_port(), ari=free_port(), ami=free_port())
    files = {"extensions.conf": EXTENSIONS, **shipped_config(ports)}
    asterisk = PrivateAsterisk(
        asterisk_root(), tmp_path_factory.mktemp("asterisk"), ports=ports, files=files
    )
    await asterisk.start()
    try:
        yield asterisk
    finally:
        await asterisk.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def calls(asterisk: PrivateAsterisk) -> AsyncIterator[Exchange]:
    """Make calls, which end with the test."""
    async with exchange(asterisk.ports.ari) as calls:
        yield calls
    await asterisk.cli("channel request hangup all")
