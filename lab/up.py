"""`make up`: the demo's set-up stays up for calls of your own, until Ctrl-C."""

import asyncio
import signal
import sys

from lab.asterisk import AsteriskError
from lab.asterisk_tree import NoAsteriskError
from lab.site import Site, SitePorts, state_directory

DEFAULTS = {"sip": 5160, "ari": 8188, "ami": 5138, "metrics": 9464, "agent": 5170, "trunk": 5180}

TELL = """\
ari-controller is up. Everything listens on 127.0.0.1 only; the state is in {directory}

inbound   INVITE sip:0374800800@127.0.0.1:{p.sip} from any port: the notice plays, then the agent at
          sip:agent@127.0.0.1:{p.agent} rings. Key 2 or 9 in the notice opts out.
outbound  INVITE sip:9NUMBER@127.0.0.1:{p.sip}, From user `agent`: rings
          sip:NUMBER@127.0.0.1:{p.trunk}, which is asked for key 1 (agree) or 2 (refuse) before the
          agent is connected.
withdraw  *9 from the customer at any later moment.

metrics   http://127.0.0.1:{p.metrics}/metrics   health: /healthz, /readyz
commands  .venv/bin/ari-controller --config {config} recordings list
files     {archive}
log       {log}

Ctrl-C ends it.
"""


async def up() -> None:
    """Run a site until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    site = Site(state_directory("run"), SitePorts.from_environment(DEFAULTS))
    async with site:
        print(
            TELL.format(
                directory=site.directory,
                p=site.ports,
                config=site.config,
                archive=site.archive,
                log=site.log,
            ),
            flush=True,
        )
        await stop.wait()
        print("stopping: calls go on for at most 20 s", flush=True)


def main() -> int:
    """Run it; print what is in the way instead of a traceback."""
    try:
        asyncio.run(up())
    except (NoAsteriskError, AsteriskError, OSError, ValueError, RuntimeError) as error:
        print(f"up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
