"""A `ReplicaCluster` that is driven by words, for golden transcripts.

A transcript is blocks of a command, a line ``----`` and what it printed, in the style of etcd-io/raft. The verbs:

``leader N epoch E isr A,B [min M] [unclean] [to X,Y]``  the controller commits this (``to``: only they hear of it)
``produce VALUE [at N] [acks All|Leader|None] [pid P seq S] [timeout MS]``    one batch
``fetch N [lost]``         one fetch of follower N from the leader, applied at once (``lost``: the answer never arrives;
                           ``late``: it arrives at ``deliver``)
``flush N``, ``progress N``    the disk of N catches up; follower N tells its leader so
``flush N begin``, ``flush N end``    what was written before ``begin`` is reported durable at ``end``
``sync N``                 fetch, fetch, flush, progress: what a healthy follower does with new data
``alter ok|lose|<result>``     the controller decides the oldest proposal (or its reply alone is sent)
``advance MS``             time passes, replicas that are due tick
``crash N``, ``restart N`` loses what was not flushed; ``lease N on|off``; ``fence N``, ``unfence N``
``read N OFFSET``          a consumer's fetch; ``log`` shows all logs: value@epoch, ``|`` before the high watermark.
"""

from __future__ import annotations

from pathlib import Path

from replica_cluster import ReplicaCluster

from skerry_broker.core.peer_messages import FetchedPartition
from skerry_broker.core.types import Acks


def run(cluster: ReplicaCluster, command: str) -> list[str]:
    """One command of a transcript; the lines that it printed."""
    cluster.lines = []
    words = command.split()
    verb, rest = words[0], words[1:]
    options = dict(zip(rest[1::2], rest[2::2], strict=False)) if len(rest) > 1 else {}
    match verb:
        case "leader":
            to = options.get("to")
            epoch = int(options["epoch"])
            cluster.elect(
                int(rest[0]) if rest[0] != "none" else -1,
                epoch,
                _ids(options["isr"]),
                to=None if to is None else _ids(to),
                min_isr=int(options.get("min", "2")),
                unclean_epoch=epoch if options.get("unclean") == "yes" else cluster.state.unclean_epoch,
            )
        case "produce":
            cluster.produce(
                rest[0],
                at=int(options["at"]) if "at" in options else None,
                acks=Acks(options.get("acks", "All")),
                pid=int(options.get("pid", "-1")),
                seq=int(options.get("seq", "-1")),
                timeout_ms=int(options.get("timeout", "1000")),
            )
        case "fetch":
            answer = cluster.fetch(int(rest[0]), lost="lost" in rest, late="late" in rest)
            cluster.lines.insert(0, _answer(answer))
        case "sync":
            for _ in range(2):
                cluster.lines.append(_answer(cluster.fetch(int(rest[0]))))
            cluster.flush(int(rest[0]))
            cluster.progress(int(rest[0]))
        case "deliver":
            cluster.deliver()
        case "flush" if "begin" in rest:
            cluster.begin_flush(int(rest[0]))
        case "flush" if "end" in rest:
            cluster.end_flush(int(rest[0]))
        case "flush":
            cluster.flush(int(rest[0]))
        case "progress":
            cluster.progress(int(rest[0]))
        case "alter":
            cluster.alter(rest[0])
        case "advance":
            cluster.advance(int(rest[0]))
        case "crash":
            cluster.crash(int(rest[0]))
        case "restart":
            cluster.restart(int(rest[0]))
        case "lease":
            cluster.brokers[int(rest[0])].lease = rest[1] == "on"
        case "fence" | "unfence":
            cluster.set_eligible(int(rest[0]), verb == "unfence")
        case "read":
            cluster.read(int(rest[0]), int(rest[1]))
        case "log":
            cluster.show()
        case _:
            raise ValueError(f"unknown verb {verb!r} in {command!r}")
    cluster.check_logs()
    return cluster.lines


def _ids(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


def _answer(answer: FetchedPartition | None) -> str:
    if answer is None:
        return "not following"
    if answer.diverging is not None:
        return f"diverging epoch={answer.diverging.epoch} end={answer.diverging.start_offset}"
    if answer.error.value != "None":
        return answer.error.value
    values = " ".join(batch.data.decode() for batch in answer.batches)
    return f"[{values}] hw={answer.high_watermark}"


def play(text: str) -> str:
    """Run a transcript; the same transcript with what was really printed."""
    cluster = ReplicaCluster()
    printed: list[str] = []
    for block in text.strip("\n").split("\n\n"):
        given = block.split("\n----")[0].split("\n")
        if any(not line.startswith("#") for line in given[:-1]):
            raise ValueError(f"a block of a transcript holds one command, this one more:\n{block}")
        printed += [*given, "----", *run(cluster, given[-1])]
        printed.append("")
    return "\n".join(printed)


def transcripts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))
