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
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> AdminServer:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.die()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._dying:
            self._dying -= 1
            writer.close()
            if not self._dying:
                self.die()
            return
        self._writers.append(writer)
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
        self._server.close()

    def die(self) -> None:
        self.stop_listening()
        self.hang_up()
