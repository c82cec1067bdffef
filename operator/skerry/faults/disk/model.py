"""`disk`: a disk that lies, fails, or is slow."""

from __future__ import annotations

from pydantic import model_validator

from skerry.faults.port import FaultBody
from skerry.schema.base import Duration, Flag, JsonObject
from skerry.schema.cel import NO_TIME, any_flag, rule
from skerry.schema.selectors import Selector


class DiskFault(FaultBody):
    """`loseUnsynced`, `tornWrite` and `bitFlip` come with a power cut: the broker goes down with it and comes back
    after `downFor`. `fsyncError` and `slowBy` last for the fault's `duration`."""

    target: Selector
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

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)

    def lasts_ns(self) -> int | None:
        return self.down_for_ns if self.power_cut else None


_POWER_CUT = ("loseUnsynced", "tornWrite", "bitFlip")


def _damage_lasts(variable: str) -> str:
    return f"({variable}.?fsyncError.orValue(false) || duration({variable}.?slowBy.orValue('0s')) > {NO_TIME})"


LASTING = f"has(self.disk) && {_damage_lasts('self.disk')}"
POWER_CUT = f"has(self.disk) && {any_flag('self.disk', _POWER_CUT)}"
RULES: dict[str, tuple[JsonObject, ...]] = {
    "DiskFault": (
        rule(
            f"!{any_flag('self', _POWER_CUT)} || !{_damage_lasts('self')}",
            "mixes a power cut (`loseUnsynced`, `tornWrite`, `bitFlip`) with a lasting damage "
            "(`fsyncError`, `slowBy`); write two faults",
        ),
        rule(
            f"{any_flag('self', _POWER_CUT)} || {_damage_lasts('self')}",
            "changes nothing: give one of `loseUnsynced`, `tornWrite`, `bitFlip`, `fsyncError`, `slowBy`",
        ),
        rule(
            f"!{_damage_lasts('self')} || duration(self.?downFor.orValue('0s')) == {NO_TIME}",
            "`downFor` goes with a power cut only; this damage lasts for the fault's `duration`",
        ),
    ),
}
