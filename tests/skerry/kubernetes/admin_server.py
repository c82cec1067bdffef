"""What answers at a broker's admin port, until it dies. Scripted: a process dies in a line."""

from __future__ import annotations

import asyncio

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class AdminServer:
    """Answers every request in the same way."""

    def __init__(self, answer: bytes = ANSWER, host: str = HOST, port: int = 0) -> None:
        """``port`` 0: any; afterwards ``port`` says which."""
        self.answer = answer
        self.host = host
        self.port = port
        self.requests: list[str] = []
        self.accepted = 0
        self._dying = 0
        self._dead = False
        self._writers: list[asyncio.StreamWriter] = []
        self._serving: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> AdminServer:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.die()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._dead:  # accepted before it died
            writer.close()
        elif self._dying:
            self._dying -= 1
            writer.close()
            if not self._dying:
                self.die()
        else:
            self._writers.append(writer)
            self._serving.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.decode().split("\r\n")[0])
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def die_slowly(self, accepted: int) -> None:
        """As the kernel closes the sockets of a process one by one: the connections first, and so many new ones are
        accepted before nobody listens."""
        self._dying = accepted
        self.hang_up()

    def hang_up(self) -> None:
        """End the connections, and listen on."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def stop_listening(self) -> None:
        """The connections stay."""
        assert self._server is not None
        loop = asyncio.get_running_loop()
        for listener in self._server.sockets:
            loop.remove_reader(listener.fileno())
        # Not at once: a connection that was accepted in this turn would be lost (python/cpython#109564).
        loop.call_soon(self._server.close)

    def die(self) -> None:
        self._dead = True
        self.stop_listening()
        self.hang_up()
