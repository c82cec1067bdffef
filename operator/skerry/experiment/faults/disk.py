"""`disk`: a disk that lies, fails, or is slow."""

from __future__ import annotations

from pydantic import model_validator

from skerry.experiment.faults.base import FaultBody
from skerry.schema.base import Duration, Flag
from skerry.schema.targets import Target


class DiskFault(FaultBody):
    """`loseUnsynced`, `tornWrite` and `bitFlip` come with a power cut: the broker goes down with it and comes back
    after `downFor`. `fsyncError` and `slowBy` last for the fault's `duration`."""

    target: Target
    lose_unsynced: Flag = False
    """What was written and not fsynced is gone."""
    torn_write: Flag = False
    """The last write that was not fsynced is there in part."""
    bit_flip: Flag = False
    """One bit of what is on the disk has changed."""
    fsync_error: Flag = False
    """Every fsync fails."""
    slow_by_ns: Duration = 0
    """Every fsync takes this much longer."""
    down_for_ns: Duration = 0
    """Power cuts: how long the broker is kept away after it took effect."""

    @model_validator(mode="after")
    def _consistent(self) -> DiskFault:
        lasting = self.fsync_error or self.slow_by_ns > 0
        if self.power_cut and lasting:
            raise ValueError(
                "mixes a power cut (`loseUnsynced`, `tornWrite`, `bitFlip`) with a lasting damage "
                "(`fsyncError`, `slowBy`); write two faults"
            )
        if not self.power_cut and not lasting:
            raise ValueError(
                "changes nothing: give one of `loseUnsynced`, `tornWrite`, `bitFlip`, `fsyncError`, `slowBy`"
            )
        if lasting and self.down_for_ns:
            raise ValueError("`downFor` goes with a power cut only; this damage lasts for the fault's `duration`")
        return self

    @property
    def power_cut(self) -> bool:
        return self.lose_unsynced or self.torn_write or self.bit_flip

    def target_groups(self) -> tuple[tuple[Target, ...], ...]:
        return ((self.target,),)

    def lasts_ns(self) -> int | None:
        return self.down_for_ns if self.power_cut else None
