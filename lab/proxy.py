"""A TCP proxy that can cut and stall: what networks do, on purpose."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Stand between clients and one server; listens on 127.0.0.1:`port` while entered."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        """How many clients have connected so far."""
        self.passed_bytes = 0
        """How much has been passed on so far, both ways."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._flowing.set()
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Drop every connection, as a killed process would."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on in either direction; connections stay open and new ones are taken."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on again, beginning with what was held back."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            onward = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(onward[1])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, onward[1]))
                group.create_task(self._pass_on(onward[0], writer))
        finally:
            self._writers -= {writer, onward[1]}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                self.passed_bytes += len(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
