"""The last resort, on whole nodes: nobody eligible is left, and the longest log is elected after the set time."""

from __future__ import annotations

import msgspec
from node_stories import S, Story

from skerry_broker.core.types import FlushMode, TopicPartition

P = TopicPartition("orders", 0)


class LastResort(Story):
    """Brokers that elect unclean after 500 ms."""

    def configure(self) -> None:
        for host in self.cluster.hosts:
            host.config = msgspec.structs.replace(host.config, unclean_wait_ms=500)


def test_all_crash_without_flushing_and_the_longest_log_leads() -> None:
    """Without group flush a crash takes everybody's membership (I-SAF-6). The kernel kept what the processes wrote."""
    story = LastResort(flush=FlushMode.NONE)
    story.create("orders")
    for number in range(3):
        story.write("orders", bytes([number]))
    story.kill_all()
    story.cluster.start_all()
    story.until_whole("orders")
    assert story.read("orders") == [b"\0", b"\1", b"\2"]
    story.write("orders", b"\3")
    state = story.metadata().partitions[P]
    assert state.elections[-1].reason == "unclean"
    assert state.unclean_epoch == state.leader_epoch
    assert not state.recovering


def test_who_was_away_during_an_unclean_election_cuts_its_log_below_its_high_watermark() -> None:
    """Two hold an acknowledged record and crash; the third, elected without it, makes it lost: that is what the
    operator asked for. Ten elections later the two come back, and must follow, not stop with CommittedDataLost."""
    story = LastResort(brokers=5)
    story.create("orders", replicas=3, wait=False)
    story.run(S)
    story.write("orders", b"common")
    story.run(S)
    leader = story.leader("orders")
    third = next(broker for broker in story.isr("orders") if broker != leader)
    holders = [broker for broker in story.isr("orders") if broker != third]
    cluster = story.cluster
    cluster.kill(third)
    story.run(2 * S)
    story.write("orders", b"lost")
    story.run(2 * S)  # so that their high watermark is checkpointed with it
    for broker in holders:
        assert cluster.hosts[broker].disk.logs[P].checkpoint == 2
        cluster.kill(broker)
    cluster.start(third)
    cluster.run_for(4 * S)
    assert story.leader("orders") == third
    for _ in range(10):
        cluster.kill(third)
        cluster.run_for(S // 5)
        cluster.start(third)
        cluster.run_for(S)
    assert "unclean" not in [election.reason for election in story.metadata().partitions[P].elections]
    for broker in holders:
        cluster.start(broker)
    cluster.run_for(5 * S)
    # The observer cannot know that losing it was allowed. But nobody may have stopped.
    assert "raised" not in {violation.rule for violation in story.invariants.violations}
    assert [batch.data for batch in cluster.hosts[third].disk.logs[P].batches] == [b"common"]
    for broker in holders:
        assert cluster.hosts[broker].running
        assert cluster.hosts[broker].disk.logs[P].batches == cluster.hosts[third].disk.logs[P].batches
    assert sorted(story.isr("orders")) == sorted([third, *holders])
