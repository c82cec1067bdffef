"""`shelf`: a store with a few numbered places, on some nodes. The system for which docs/extending.md writes a target.

The shelf is kept whole: a node has one state (term, revision, what is in the places) in one file, and replaces it. Who
leads has promises of a majority for its term, has taken over the newest state among them, and has every answer
confirmed by a majority before it gives it. The live node with the lowest number takes over first. One line of JSON is
asked on a connection, one is answered.

Run by `shelf --ordinal 0 --door PORT --back PORT --peers 1=PORT,2=PORT --data DIRECTORY`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

BEAT_S = 0.15
PATIENCE_S, STEP_S = 0.6, 0.3
"""For how long a follower hears of no leader before it takes over: node 0; and how much longer each further one."""
ANSWER_S = 0.4
Message = dict[str, Any]


class Node:
    """One node. Invariant: nothing is promised, kept or answered that is not on the disk."""

    def __init__(self, ordinal: int, peers: dict[int, int], data: Path) -> None:
        self.ordinal, self.peers, self.data = ordinal, peers, data
        self.started_ns = time.time_ns()
        self.leader, self.leading, self.heard_s = -1, False, time.monotonic()
        self.turn = asyncio.Lock()
        """One answer after the other."""
        data.mkdir(parents=True, exist_ok=True)
        kept = json.loads((data / "shelf").read_text()) if (data / "shelf").exists() else {}
        self.promised: int = kept.get("promised", 0)
        self.state: Message = kept.get("state", {"term": 0, "revision": 1, "places": {}})

    def write(self) -> None:
        new = self.data / "shelf.new"
        with new.open("w") as file:
            json.dump({"promised": self.promised, "state": self.state}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.data / "shelf")

    # --- what peers ask -------------------------------------------------------------------------------------

    def promise(self, term: int) -> Message:
        """Take nothing of an older term from now on."""
        if term <= self.promised:
            return {"ok": False, "term": self.promised}
        self.promised, self.leader, self.leading, self.heard_s = term, -1, False, time.monotonic()
        self.write()
        return {"ok": True, "state": self.state}

    def keep(self, leader: int, state: Message) -> Message:
        """Keep this state instead, unless a newer one of the same leader has overtaken it on the way."""
        if state["term"] < self.promised:
            return {"ok": False, "term": self.promised}
        self.leader, self.leading, self.heard_s = leader, leader == self.ordinal, time.monotonic()
        if age(state) > age(self.state):
            self.promised, self.state = state["term"], state
            self.write()
        return {"ok": True}

    # --- what a leader does ---------------------------------------------------------------------------------

    async def majority(self, message: Message, own: Message) -> list[Message]:
        """The answers of the node itself and of peers that make a majority with it; fewer: there is none."""
        good = [own] if own["ok"] else []
        asked = [asyncio.create_task(ask(port, message)) for port in self.peers.values()]
        for done in asyncio.as_completed(asked):
            answer = await done
            good += [answer] if answer.get("ok") else []
            if len(good) > (len(self.peers) + 1) // 2:
                break
        return good if len(good) > (len(self.peers) + 1) // 2 else []

    async def confirm(self, state: Message) -> bool:
        """A majority has it, and had promised nothing newer. Without one the node leads no longer."""
        own = self.keep(self.ordinal, state)
        message = {"ask": "keep", "leader": self.ordinal, "state": state}
        self.leading = bool(await self.majority(message, own)) and self.leader == self.ordinal
        return self.leading

    async def take_over(self) -> None:
        nodes = len(self.peers) + 1
        term = (self.promised // nodes + 1) * nodes + self.ordinal
        promises = await self.majority({"ask": "promise", "term": term}, self.promise(term))
        if promises and self.promised == term:
            newest = max((each["state"] for each in promises), key=age)
            await self.confirm({**newest, "term": term})

    async def live(self) -> None:
        """Tell the others that one leads, or take over when nobody does."""
        while True:
            await asyncio.sleep(BEAT_S)
            async with self.turn:
                if self.leading:
                    await self.confirm(self.state)
                elif time.monotonic() - self.heard_s > PATIENCE_S + STEP_S * self.ordinal:
                    await self.take_over()

    # --- what clients ask -----------------------------------------------------------------------------------

    async def put(self, place: str, value: int) -> Message:
        async with self.turn:
            if not self.leading:
                return {"refused": "this node does not lead", "leader": self.leader}
            revision, (_, _, version) = self.state["revision"] + 1, self.on(place)
            places = {**self.state["places"], place: (value, revision, version + 1)}
            new = {"term": self.promised, "revision": revision, "places": places}
            return self.seen(place) if await self.confirm(new) else {"unknown": "no majority has confirmed it"}

    async def get(self, place: str) -> Message:
        async with self.turn:
            if self.leading and await self.confirm(self.state):
                return self.seen(place)
            return {"refused": "this node does not lead", "leader": self.leader}

    def on(self, place: str) -> tuple[int, int, int]:
        """The value, the revision that wrote it, and how many have."""
        value, revision, version = self.state["places"].get(place, (-1, 0, 0))
        return value, revision, version

    def seen(self, place: str) -> Message:
        value, revision, version = self.on(place)
        store = {"store": self.state["revision"], "term": self.state["term"]}
        return {"value": value, "revision": revision, "version": version, **store}

    def status(self) -> Message:
        return {
            "pid": os.getpid(),
            "started_ns": self.started_ns,
            "leader": self.leader,
            "leading": self.leading,
            "term": self.promised,
            "revision": self.state["revision"],
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            message = json.loads(await reader.readline())
            match message.pop("ask"):
                case "promise":
                    answer = self.promise(**message)
                case "keep":
                    answer = self.keep(**message)
                case "put":
                    answer = await self.put(**message)
                case "get":
                    answer = await self.get(**message)
                case _:
                    answer = self.status()
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()


def age(state: Message) -> tuple[int, int]:
    return state["term"], state["revision"]


async def ask(port: int, message: Message) -> Message:
    """What a peer answers; empty: nothing in time."""
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(json.dumps(message).encode() + b"\n")
                return dict(json.loads(await reader.readline()))
            finally:
                writer.close()
    return {}


async def main() -> None:
    parser = argparse.ArgumentParser("shelf")
    parser.add_argument("--ordinal", type=int, required=True)
    parser.add_argument("--door", type=int, required=True)
    parser.add_argument("--back", type=int, required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--data", type=Path, required=True)
    asked = parser.parse_args()
    peers = {int(ordinal): int(port) for ordinal, port in (each.split("=") for each in asked.peers.split(","))}
    node = Node(asked.ordinal, peers, asked.data)
    for port in (asked.door, asked.back):
        await asyncio.start_server(node.serve, "127.0.0.1", port)
    await node.live()


if __name__ == "__main__":
    asyncio.run(main())
