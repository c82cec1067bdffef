"""What the resource's status says, from what was heard of the run. Pure: no clock, no API server.

The table of conditions and reasons is in ``docs/operator.md``; a test compares the two.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from skerry.controller.measurements import longest, measurements
from skerry.engine.progress import Phase
from skerry.experiment.document import Experiment
from skerry.history.records import FaultEvent, FaultStep
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Finding, Verdict

PENDING = "Pending"
TARGETS_MAX = 64
TARGET_LENGTH_MAX = 400
MESSAGE_MAX = 1000
CONDITION_MESSAGE_MAX = 4000
REASON_MAX = 80

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


class Condition(StrEnum):
    ACCEPTED = "Accepted"
    STEADY_STATE = "SteadyState"
    FAULT_ACTIVE = "FaultActive"
    FAULT_VERIFIED = "FaultVerified"
    HEALED = "Healed"
    COMPLETE = "Complete"
    SUCCEEDED = "Succeeded"


class State(NamedTuple):
    """The state of one condition."""

    status: str
    reason: str
    message: str


class Ended(NamedTuple):
    """How it ended."""

    verdict: Verdict
    reason: str
    """A CamelCase code: of the condition `Succeeded`."""
    message: str
    """The first line of the report."""
    findings: tuple[Finding, ...] = ()
    report: str = ""
    """The ConfigMap; empty: none was stored."""
    note: str = ""
    """What the stored report lacks."""
    digest: str = ""
    started_wall_ns: int = 0
    finished: bool = True
    """The run came to its end; else it was refused, broken off or crashed."""


class StatusModel:
    """What is known of one experiment, and the status that says it.

    Invariants:
      1. A condition's `lastTransitionTime` changes exactly when its status does.
      2. `verdict` and `completionTime` are there if and only if `Complete` is True.
      3. Every text and every list is within the bounds of the CRD.
    """

    def __init__(self, resource: JsonObject) -> None:
        """``resource``: as the API server has it; what its status says is taken up again."""
        metadata, status = resource["metadata"], resource.get("status") or {}
        self.generation = int(metadata.get("generation") or 1)
        self.phase = str(status.get("phase") or "")
        self.message = str(status.get("message") or "")
        self.seed: int | None = status.get("seed")
        self.fault = str(status.get("fault") or "")
        self.workload = str(status.get("workload") or "")
        """The Job's name; once it is there a run has begun."""
        self.started = str(status.get("startTime") or "")
        self.completed = str(status.get("completionTime") or "")
        self.interrupted = False
        """Another conductor began this run."""
        self.ended: Ended | None = None
        self.targets: list[str] = list(status.get("targets") or [])
        self._accepted = State(UNKNOWN, "Waiting", "It was not looked at yet.")
        self._steady = State(UNKNOWN, "Waiting", "The steady state was not reached yet.")
        self._verified: State | None = None
        """Set by an interrupted run, which cannot ask its faults."""
        self._steps: dict[tuple[str, int], dict[FaultStep, FaultEvent]] = {}
        self._before = {each["type"]: each for each in status.get("conditions") or []}

    # --- what is heard --------------------------------------------------------------------------------------

    def taken_up(self, experiment: Experiment, seed: int, now_s: float) -> None:
        """The document can be read."""
        self.phase, self.seed = Phase.PREFLIGHT, seed
        self.fault = ", ".join(dict.fromkeys(fault.kind for fault in experiment.spec.faults))
        self.started = self.started or date_time(now_s)

    def waits(self, reason: str, message: str) -> None:
        message = _sentence(message)
        self.phase, self.message = PENDING, message
        self._accepted = State(UNKNOWN, reason, message)

    def accepted(self, message: str = "Document, permissions, brokers and opt-ins are as it needs them.") -> None:
        self.phase, self.message = Phase.PREFLIGHT, ""
        self._accepted = State(TRUE, "Accepted", message)

    def resumed(self, why: str) -> None:
        """A run was found begun: it is healed, drained and checked, nothing else."""
        self.phase, self.interrupted = Phase.HEALING, True
        self.message = f"A run was found in progress and is not resumed: {why}."
        self._accepted = State(TRUE, "Accepted", "It was accepted before the operator was interrupted.")
        self._steady = self._known(Condition.STEADY_STATE, "Whether it was reached is in the history.")
        self._verified = self._known(Condition.FAULT_VERIFIED, "Whether it was verified is in the history.")

    def _known(self, kind: Condition, unknown: str) -> State:
        """What an earlier operator had found out for good."""
        before = self._before.get(kind)
        if before is None or before["status"] == UNKNOWN:
            return State(UNKNOWN, "Interrupted", unknown)
        return State(before["status"], before["reason"], before["message"])

    def steady(self) -> bool:
        """It was reached. False: that is not new."""
        if self._steady.status == TRUE:
            return False
        self._steady = State(TRUE, "Reached", "The cluster is whole, and takes writes everywhere.")
        return True

    def waiting_for(self, what: str) -> bool:
        """What the present phase still misses; empty: nothing. False: that is not new."""
        message = f"Waiting: {what}." if what else ""
        if self.interrupted or message == self.message:
            return False
        self.message = message
        return True

    def in_phase(self, phase: Phase) -> bool:
        """The conductor is. False: that is not new. `Complete` is said later, when the report is stored."""
        if phase in (self.phase, Phase.COMPLETE):
            return False
        self.phase = phase
        return True

    def hear(self, event: FaultEvent) -> None:
        """A step of an occurrence."""
        steps = self._steps.setdefault((event.fault, event.occurrence), {})
        steps[event.step] = event
        if event.step is FaultStep.RESOLVED:
            line = f"{_name(event)}: {event.detail}"[:TARGET_LENGTH_MAX]
            self.targets = [*self.targets, line][-TARGETS_MAX:]

    def refused(self, reason: str, message: str, now_s: float) -> None:
        """Before anything was touched."""
        message = _sentence(message)
        self._accepted = State(FALSE, reason, message)
        self.end(Ended(Verdict.INCONCLUSIVE, reason, message, finished=False), now_s)

    def end(self, ended: Ended, now_s: float) -> None:
        """There is a verdict. Only the first one counts."""
        if self.ended is None:
            self.ended, self.phase, self.message = ended, Phase.COMPLETE, ended.message
            self.completed = date_time(now_s)

    # --- what is said ---------------------------------------------------------------------------------------

    def status(self, now_s: float) -> JsonObject:
        """The whole status but for the journal. Empty values are left out."""
        ended = self.ended
        findings = ended.findings if ended is not None else ()
        values: dict[str, Any] = {
            "observedGeneration": self.generation,
            "phase": str(self.phase),
            "message": self.message[:MESSAGE_MAX],
            "seed": self.seed,
            "fault": self.fault,
            "targets": self.targets,
            "workload": self.workload,
            "startTime": self.started,
            "completionTime": self.completed,
            "verdict": str(ended.verdict) if ended is not None else "",
            **longest(findings),
            "measurements": measurements(findings),
            "report": ended.report if ended is not None else "",
            "historyDigest": ended.digest if ended is not None else "",
            "runStartedWallNs": ended.started_wall_ns or None if ended is not None else None,
            "conditions": self._conditions(now_s),
        }
        return {key: value for key, value in values.items() if value not in ("", None, [])}

    def _conditions(self, now_s: float) -> list[JsonObject]:
        conditions = [
            self._condition(kind, state, now_s)
            for kind, state in (
                (Condition.ACCEPTED, self._accepted),
                (Condition.STEADY_STATE, self._steady_state()),
                (Condition.FAULT_ACTIVE, self._fault_active()),
                (Condition.FAULT_VERIFIED, self._fault_verified()),
                (Condition.HEALED, self._healed()),
                (Condition.COMPLETE, self._complete()),
                (Condition.SUCCEEDED, self._succeeded()),
            )
        ]
        self._before = {each["type"]: each for each in conditions}
        return conditions

    def _condition(self, kind: Condition, state: State, now_s: float) -> JsonObject:
        before = self._before.get(kind)
        unchanged = before is not None and before["status"] == state.status
        return {
            "type": str(kind),
            "status": state.status,
            "observedGeneration": self.generation,
            "lastTransitionTime": before["lastTransitionTime"] if before and unchanged else date_time(now_s),
            "reason": state.reason[:REASON_MAX],
            "message": state.message[:CONDITION_MESSAGE_MAX],
        }

    def _steady_state(self) -> State:
        if self.ended is not None and self._steady.reason == "Waiting":
            return State(FALSE, "NotReached", "The run ended before the steady state.")
        return self._steady

    def _fault_active(self) -> State:
        active = self._active()
        if active:
            return State(TRUE, "InEffect", f"In effect, or may be: {_listed(active)}.")
        if self._injected():
            return State(FALSE, "Healed", "Every fault so far is over.")
        if self.interrupted:
            return State(*self._after_interruption())
        return State(FALSE, "NotInjected", "No fault was injected.")

    def _fault_verified(self) -> State:
        steps = self._steps.values()
        disproofs = [
            each for found in steps for step in (FaultStep.UNVERIFIED, FaultStep.LOST) if (each := found.get(step))
        ]
        if disproofs:
            reason = "FaultLost" if disproofs[0].step is FaultStep.LOST else "NotVerified"
            return State(FALSE, reason, f"{_name(disproofs[0])}: {disproofs[0].detail or 'no reason was given'}")
        proven = [each for found in steps if (each := found.get(FaultStep.VERIFIED))]
        if proven:
            return State(TRUE, "Verified", f"{_name(proven[-1])}: {proven[-1].detail}")
        if self._verified is not None:
            return self._verified
        if not self._injected():
            return State(UNKNOWN, "NotInjected", "No fault was injected.")
        return State(UNKNOWN, "Verifying", "Nothing was measured yet.")

    def _healed(self) -> State:
        active = self._active()
        if active and self.ended is not None:
            return State(FALSE, "NotHealed", f"Not measured to be gone: {_listed(active)}.")
        if active:
            return State(FALSE, "FaultActive", f"In effect, or may be: {_listed(active)}.")
        if self._injected():
            return State(TRUE, "Healed", "Every fault was measured to be gone.")
        if self.interrupted:
            return State(*self._after_interruption())
        return State(UNKNOWN, "NotInjected", "No fault was injected.")

    def _after_interruption(self) -> State:
        """Nobody was there to measure the heal, so nobody says that it was measured."""
        if self.ended is None:
            return State(UNKNOWN, "Interrupted", "A fault may stand; it is being lifted.")
        return State(UNKNOWN, "Interrupted", "Every fault was lifted, and nobody measured that it is gone.")

    def _complete(self) -> State:
        if self.ended is None:
            return State(FALSE, PENDING if self.phase == PENDING else "Running", "There is no verdict yet.")
        note = f" {self.ended.note}" if self.ended.note else ""
        if self.ended.finished:
            return State(TRUE, "Finished", f"The run came to its end.{note}")
        return State(TRUE, "Ended", f"There was no run, or it was broken off.{note}")

    def _succeeded(self) -> State:
        if self.ended is None:
            return State(UNKNOWN, "Running", "There is no verdict yet.")
        return State(self.ended.verdict.condition_status, self.ended.reason, self.ended.message)

    def _active(self) -> list[str]:
        return [
            _name(steps[FaultStep.INJECTING])
            for steps in self._steps.values()
            if FaultStep.INJECTING in steps and FaultStep.HEALED not in steps
        ]

    def _injected(self) -> bool:
        return any(FaultStep.INJECTING in steps for steps in self._steps.values())


def is_complete(resource: JsonObject) -> bool:
    """There is a verdict already."""
    return bool((resource.get("status") or {}).get("completionTime"))


def date_time(seconds: float) -> str:
    """A moment as the API writes it: UTC, whole seconds."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name(event: FaultEvent) -> str:
    return event.fault if event.occurrence == 0 else f"{event.fault}#{event.occurrence}"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(f"`{name}`" for name in found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
