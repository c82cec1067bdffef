"""Run runc with every capability set narrowed to what this host's bounding set holds.

A privileged container asks for every capability; on a host that itself lacks one (a sandbox, a nested machine) runc
refuses to start it. dockerd is given this program as its default runtime there. It rewrites the container's own
specification, which runc is about to read, and then becomes runc.
"""

import itertools
import json
import os
import sys
from typing import Any

RUNC = next(
    (path for path in ("/usr/sbin/runc", "/usr/bin/runc", "/usr/local/bin/runc") if os.path.exists(path)), "runc"
)
# By number, as in linux/capability.h.
CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
""".split()  # noqa: SIM905  # forty names in kernel order are easier to compare as a paragraph


def bounding_set(status: str) -> set[str]:
    """Names of the capabilities in `CapBnd` of a /proc/PID/status text."""
    bits = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    return {f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if bits >> number & 1}


def narrow(process: dict[str, Any], allowed: set[str]) -> None:
    """Take from a process specification of the OCI runtime format what the host would refuse, in place."""
    for kind, names in (process.get("capabilities") or {}).items():
        process["capabilities"][kind] = [name for name in names if name in allowed]
    # Lowering it needs CAP_SYS_RESOURCE.
    if "CAP_SYS_RESOURCE" not in allowed and process.get("oomScoreAdj", 0) < 0:
        del process["oomScoreAdj"]


def specification(arguments: list[str]) -> tuple[str, bool] | None:
    """(file, whether the process is nested in it) of a runc command line, or None when the command starts nothing."""
    for flag, value in itertools.pairwise(arguments):
        if flag in ("--bundle", "-b"):
            return os.path.join(value, "config.json"), True
        if flag in ("--process", "-p"):
            return value, False
    return None


def main(arguments: list[str]) -> None:
    found = specification(arguments)
    if found is not None:
        path, nested = found
        with open(path) as file:
            content = json.load(file)
        with open("/proc/self/status") as status:
            narrow((content.get("process") or {}) if nested else content, bounding_set(status.read()))
        with open(path, "w") as file:
            json.dump(content, file)
    os.execvp(RUNC, [RUNC, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
