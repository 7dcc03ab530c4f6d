"""A link on this machine that delays what is sent through it, as a far server's would."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 2**16
"""Bytes that are passed on at once."""
REQUEST = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/")
"""Begins an HTTP request; MLflow's client asks one at a time on a connection."""


class SlowLink:
    """A port that passes bytes to another port, each request a while after it was sent."""

    def __init__(self, to_port: int, seconds: float) -> None:
        """Start with no connection.

        Args:
            to_port: where the server listens.
            seconds: how long what a client sends is on its way; answers come at once, so that this
                is what the link adds to a request.
        """
        self.to_port = to_port
        self.seconds = seconds
        self.port = 0
        self.requests: list[tuple[float, str]] = []
        """When each request was sent (`time.time()`), with its method and path."""

    async def listen(self, ready: threading.Event) -> None:
        """Serve until `stop` is called."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()  # what is on the way is dropped

    def stop(self) -> None:
        """End the serving, from another thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.seconds)  # as the handshake of TCP takes a round trip
        try:
            to_server = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        there = asyncio.create_task(self._pass_on(reader, to_server[1], self.seconds))
        back = asyncio.create_task(self._pass_on(to_server[0], writer, 0.0))
        await asyncio.gather(there, back)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
    ) -> None:
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            content = b"-"
            while content:
                with suppress(ConnectionError):
                    content = await reader.read(CHUNK)
                    if seconds and (found := REQUEST.match(content)):
                        path = found[2].partition(b"?")[0]
                        sent = f"{found[1].decode()} {path.decode()}"
                        self.requests.append((time.time(), sent))
                    on_the_way.put_nowait((loop.time() + seconds, content))
                    continue
                content = b""
                on_the_way.put_nowait((loop.time(), b""))

        async def write() -> None:
            with suppress(ConnectionError):
                while True:
                    due, content = await on_the_way.get()
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    if not content:
                        break
                    writer.write(content)
                    await writer.drain()
            writer.close()

        await asyncio.gather(read(), write())


@contextmanager
def slow_link(to_port: int, seconds: float) -> Iterator[SlowLink]:
    """Lend a link to a port of this machine; see `SlowLink`."""
    link, ready = SlowLink(to_port, seconds), threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(link.listen(ready)), name="slow link", daemon=True
    )
    thread.start()
    ready.wait()
    try:
        yield link
    finally:
        link.stop()
        thread.join()
