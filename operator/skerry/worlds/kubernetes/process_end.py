"""How the process of a container ended, as its kubelet tells it."""

from __future__ import annotations

import signal

import msgspec

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.wall import wall_ns, wall_text

SIGNALLED = 128
"""An init, as a shell, exits with this and the number of the signal that ended its child."""
OUT_OF_MEMORY = "OOMKilled"
"""The kubelet's reason when the kernel killed for want of memory, whatever became of the container's first process."""
NOT_LOCATED = "ContainerStatusUnknown"
"""The kubelet's reason when a pod goes whose container it does not find: one that never started, as a rule."""
INVENTED = frozenset({NOT_LOCATED, "Unknown", "StartError", "ContainerCannotRun"})
"""The reasons with which an exit code is not the process's: a runtime or node went down, or nothing was started."""
TEXT_MAX = 300
"""Characters that are kept of what a kubelet says."""


class ProcessEnd(msgspec.Struct, frozen=True):
    """How a broker's container ended."""

    container_id: str
    exit_code: int
    reason: str = ""
    """The kubelet's word: Completed, Error, OOMKilled, ..."""
    message: str = ""
    """The last lines of its log, where its pod asks for them (`FallbackToLogsOnError`)."""
    finished_wall_ns: int = 0
    """In whole seconds, by the node's clock; 0: unknown."""
    started_wall_ns: int = 0
    """When it was started; as the above."""
    signal: int = 0
    """The number of the signal, where a runtime tells it; else the exit code says it."""

    @property
    def signal_name(self) -> str:
        """The name of the signal that ended the process; empty: none did, or it cannot be told."""
        if self.reason in INVENTED:
            return ""  # the exit code is the kubelet's invention
        try:
            return signal.Signals(self.signal or self.exit_code - SIGNALLED).name
        except ValueError:
            return ""

    @property
    def code(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None: nobody knows."""
        if self.reason == OUT_OF_MEMORY:
            return -signal.SIGKILL
        if self.exit_code < 0 or self.reason in INVENTED:
            return None
        return -signal.Signals[self.signal_name] if self.signal_name else self.exit_code

    def __str__(self) -> str:
        said = ", ".join(each for each in (self.signal_name, self.reason) if each)
        when = f" at {wall_text(self.finished_wall_ns)}" if self.finished_wall_ns else ""
        words = f": {self.message.splitlines()[-1]}" if self.message else ""
        return f"container ended with exit code {self.exit_code}{f' ({said})' if said else ''}{when}{words}"


def ends_of(container: JsonObject) -> tuple[ProcessEnd, ...]:
    """The ends of which a container's status tells, the last first: of the container itself, and of the one that it
    replaced."""
    own = (container.get("state") or {}).get("terminated")
    replaced = (container.get("lastState") or {}).get("terminated")
    found = ((own, container.get("containerID")), (replaced, None))
    return tuple(_end_of(terminated, known) for terminated, known in found if terminated)


def _end_of(terminated: JsonObject, known_id: str | None) -> ProcessEnd:
    return ProcessEnd(
        container_id=str(terminated.get("containerID") or known_id or ""),
        exit_code=int(terminated.get("exitCode", -1)),
        reason=str(terminated.get("reason") or ""),
        message=str(terminated.get("message") or "").strip()[-TEXT_MAX:],
        finished_wall_ns=wall_ns(terminated.get("finishedAt")),
        started_wall_ns=wall_ns(terminated.get("startedAt")),
        signal=int(terminated.get("signal") or 0),
    )
