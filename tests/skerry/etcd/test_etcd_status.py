"""What a member says of itself, from answers as etcd 3.5.1 wrote them."""

from __future__ import annotations

import msgspec
import pytest

from skerry.targets.etcd.status import Role, generation_of, read_status

LEADER = b"""{"header":{"cluster_id":"16897465390631240808","member_id":"6313879474639190347","revision":"3",
"raft_term":"2"},"version":"3.5.1","dbSize":"20480","leader":"6313879474639190347","raftIndex":"8","raftTerm":"2",
"raftAppliedIndex":"8","dbSizeInUse":"16384"}"""
FOLLOWER = LEADER.replace(b'"member_id":"6313879474639190347"', b'"member_id":"6491157536743179820"')
ALONE = b"""{"header":{"cluster_id":"16897465390631240808","member_id":"6491157536743179820","revision":"3",
"raft_term":"3"},"version":"3.5.1","dbSize":"20480","raftIndex":"11","raftTerm":"3","raftAppliedIndex":"11",
"errors":["etcdserver: no leader"],"dbSizeInUse":"16384"}"""
METRICS = """# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79607032327e+09
process_virtual_memory_bytes 1.1e+10
"""


@pytest.mark.parametrize(
    ("body", "role"),
    [
        (LEADER, Role.LEADER),
        (FOLLOWER, Role.FOLLOWER),
        (ALONE, Role.NONE),
        (FOLLOWER.replace(b'"version"', b'"isLearner":true,"version"'), Role.LEARNER),
    ],
)
def test_a_member_knows_its_role(body: bytes, role: Role) -> None:
    assert read_status(body).role is role


def test_numbers_are_read_from_strings() -> None:
    status = read_status(ALONE, METRICS)
    assert (status.member_id, status.leader_id, status.term) == (6491157536743179820, 0, 3)
    assert (status.applied_index, status.revision, status.version) == (11, 3, "3.5.1")
    assert status.errors == ("etcdserver: no leader",)


def test_the_generation_is_the_start_of_the_process() -> None:
    assert generation_of(METRICS) == "1.79607032327e+09"
    assert read_status(LEADER, METRICS.replace("327e", "328e")).generation != read_status(LEADER, METRICS).generation
    assert read_status(LEADER).generation == ""


@pytest.mark.parametrize("body", [b"", b"[]", b'{"header":{"member_id":"x"}}', b"<html>"])
def test_what_is_no_status_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_status(body)
