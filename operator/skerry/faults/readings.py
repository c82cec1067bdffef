"""What one look at one thing says: whether the fault has taken it, or it is whole.

A proof turns samples into readings, one for each thing that the fault must take and each thing that it must leave
alone; who began when, and whether it held all along, is judged from many of them (`skerry.engine.interval`). A reading
may say two things at once: a connection that has been silent for 400 ms was whole until then, and is taken since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from skerry.faults.proof import PING_FAILED_AFTER_NS, Before, Link, Proof, link_name
from skerry.faults.samples import BrokerView, LinkKind, LinkView, ProcessState, Samples

if TYPE_CHECKING:
    from skerry.faults.port import ResolvedFault

NEVER_NS = -1
PING_EVERY_NS = 100_000_000
"""Brokers ping each other this often over the connections that they keep open."""
ANSWER_SLACK_NS = 50_000_000
"""How late a ping may be sent, and its answer come, on a machine that is busy."""
WIRE_SLACK_NS = 20_000_000
"""How late the answer to a ping may come whose moment of sending is known."""


class Reading(NamedTuple):
    """What one look says of one thing. Times are of the run's clock; `NEVER_NS`: the look does not say so."""

    subject: str
    """What it is, unique within a fault, as a sentence names it."""
    meant: bool
    """The fault must take it; False: it must leave it alone."""
    whole: str
    """What a sentence says when it is whole: `the kept connection 0 -> 1 still answers`."""
    taken: str
    """What a sentence says when it is taken."""
    unseen: str
    """What a sentence says when nobody has looked."""
    well_ns: int = NEVER_NS
    """The last moment at which it was certainly whole."""
    taken_ns: int = NEVER_NS
    """A moment at which it was certainly taken."""
    looked_ns: int = NEVER_NS
    """When the sample behind this was asked."""
    times: bool = True
    """It tells when the fault began; False: it is looked at too rarely for that."""
    lazy: bool = False
    """It shows only when something uses it, so that it may show late."""
    acts_first: bool = False
    """It may act from when it was asked for, before it shows: a process that is to stop first hands over."""
    settles_ns: int = 0
    """How long after it was asked the answer was made up: until then it may be an answer to what came later."""
    hidden: bool = False
    """Another fault lies over it: what is seen of it cannot be told apart."""
    measure: int | None = None
    """How strongly it is taken, in a unit of the fault's own, where that is measured."""
    again: str = ""
    """What a sentence says when it comes back, without being whole yet."""
    again_ns: int = NEVER_NS
    """A moment at which it certainly was on its way back, if it had been taken: a process that has started and does not
    answer yet."""


def sample_of(samples: Samples, link: Link, kind: LinkKind) -> LinkView | None:
    """The last sample of one connection."""
    source, target, plane = link
    return next(
        (
            view
            for view in samples.links
            if view.source == source and view.target == target and view.plane == plane and view.kind is kind
        ),
        None,
    )


def of_kept(link: Link, view: LinkView | None, meant: bool, hidden: bool = False) -> Reading:
    """A connection that is kept open is whole when its last ping was answered, and taken when the next one was not."""
    name = f"the kept connection {link_name(*link)}"
    reading = Reading(
        name,
        meant,
        f"{name} still answers",
        f"{name} fails, although nobody cut it",
        f"{name} was not looked at" if meant else f"{name}, which nobody cut, was not looked at",
        hidden=hidden,
    )
    if view is None:
        return reading
    answered_ns = view.sampled_ns - view.silent_ns
    reading = reading._replace(well_ns=answered_ns, looked_ns=view.sampled_ns, settles_ns=view.settles_ns)
    if view.ok or view.silent_ns < PING_FAILED_AFTER_NS:
        return reading
    return reading._replace(
        taken_ns=view.sampled_ns if view.silent_ns > 10 * PING_FAILED_AFTER_NS else _missed_ns(view)
    )


def _missed_ns(view: LinkView) -> int:
    """By when an answer had to be here that never came. Without a word on when its ping was sent, it was a period after
    the last answer."""
    if view.unanswered_ns < 0:
        return view.sampled_ns - view.silent_ns + PING_EVERY_NS + max(view.rtt_ns, ANSWER_SLACK_NS)
    return view.sampled_ns + view.settles_ns - view.unanswered_ns + max(2 * view.rtt_ns, WIRE_SLACK_NS)


def of_new(link: Link, view: LinkView | None, meant: bool, hidden: bool = False) -> Reading:
    """A new connection was opened on request and answered, or was not."""
    what = f"new connection {link_name(*link)}"
    reading = Reading(
        f"the {what}",
        meant,
        f"a {what} still succeeds",
        f"the {what} fails, although nobody cut it",
        f"no {what} was tried" if meant else f"the {what}, which nobody cut, was not looked at",
        times=False,
        hidden=hidden,
    )
    if view is None:
        return reading
    at_ns = view.sampled_ns
    reading = reading._replace(looked_ns=at_ns, settles_ns=max(PING_FAILED_AFTER_NS, view.settles_ns))
    return reading._replace(well_ns=at_ns) if view.ok else reading._replace(taken_ns=at_ns)


def of_direction(link: Link, at_target: LinkView | None, meant: bool, hidden: bool = False) -> Reading:
    """Numbered datagrams from source to target, as the target counts them: a round trip proves no direction."""
    source, target, plane = link
    name = f"datagrams {link_name(*link)}"
    reading = Reading(
        name,
        meant,
        f"{name} still arrive",
        f"{name} do not arrive either",
        f"one-way datagrams between {source} and {target} on {plane} were not measured",
        times=False,
        hidden=hidden,
    )
    if at_target is None or at_target.received_one_way < 0:
        return reading
    at_ns = at_target.sampled_ns
    reading = reading._replace(looked_ns=at_ns, settles_ns=at_target.settles_ns)
    if at_target.received_one_way:
        return reading._replace(well_ns=at_ns - PING_FAILED_AFTER_NS)
    return reading._replace(taken_ns=at_ns)


def of_broker(
    view: BrokerView | None,
    ordinal: int,
    meant: bool = True,
    whole: str = "",
    taken: str = "",
    lazy: bool = False,
    hidden: bool = False,
) -> Reading:
    """What every reading of a broker has in common; the fault adds when it is whole or taken."""
    unseen = f"nothing is known of broker {ordinal}"
    looked_ns = NEVER_NS if view is None else max(view.sampled_ns, view.process_sampled_ns)
    return Reading(f"broker {ordinal}", meant, whole, taken, unseen, looked_ns=looked_ns, lazy=lazy, hidden=hidden)


def of_process(
    view: BrokerView | None, ordinal: int, earlier: Before, lasts: bool, acts_first: bool = False
) -> Reading:
    """A process that must end. Whole while it answers, as long as it is the one that was; taken when the kernel shows
    it gone, or another one answers in its place. One that ``lasts`` is to be kept away: another one in its place is
    too early, and so is one that was started and does not answer yet, where the kernel itself shows it.
    """
    whole = f"the process of broker {ordinal} is not gone"
    reading = of_broker(view, ordinal, whole=whole)._replace(acts_first=acts_first)
    if view is None:
        return reading
    old = earlier.brokers.get(ordinal)
    again = old is not None and bool(view.incarnation) and view.incarnation != old.incarnation
    if view.process is ProcessState.GONE:
        reading = reading._replace(taken_ns=view.process_sampled_ns)
    if view.reachable and not again:
        return reading._replace(well_ns=min(view.sampled_ns, view.process_sampled_ns - 1))
    if view.process is ProcessState.GONE:
        return reading
    if view.reachable:
        reading = reading._replace(taken_ns=view.sampled_ns - 1)
        if lasts:
            return reading._replace(well_ns=view.sampled_ns, whole=f"broker {ordinal} runs again")
    elif lasts and view.process is ProcessState.RUNNING and not view.process_told_late:
        said = f"the process of broker {ordinal} runs again"
        return reading._replace(again=said, again_ns=view.process_sampled_ns)
    return reading


def of_others(samples: Samples, victims: frozenset[int], others: Iterable[ResolvedFault]) -> Iterator[Reading]:
    """Brokers that no fault names must go on running; of one that another fault names nothing can be said."""
    hidden = frozenset(ordinal for other in others for ordinal in other.victims)
    for view in samples.brokers:
        if view.ordinal in victims:
            continue
        ordinal = view.ordinal
        reading = of_broker(view, ordinal, False, taken=f"broker {ordinal} is hit, which no fault names")
        reading = reading._replace(hidden=ordinal in hidden or bool(view.exited))
        reading = reading._replace(unseen=f"broker {ordinal}, which no fault names, was not looked at")
        if view.process in (ProcessState.GONE, ProcessState.STOPPED):
            reading = reading._replace(taken_ns=view.process_sampled_ns)
        elif view.reachable:
            reading = reading._replace(well_ns=view.sampled_ns)
        yield reading


class Cover(NamedTuple):
    """What other faults lie over."""

    down: frozenset[int]
    cut: frozenset[Link]
    slow: frozenset[tuple[int, int]]

    def hides_cut(self, link: Link) -> bool:
        """That the link fails says nothing of a fault of ours."""
        source, target, plane = link
        reverse = target, source, plane
        return bool({source, target} & self.down) or link in self.cut or reverse in self.cut

    def hides_whole(self, link: Link) -> bool:
        """That the link fails, or is slow, is another fault's doing."""
        source, target, _ = link
        return self.hides_cut(link) or (source, target) in self.slow or (target, source) in self.slow


HIDDEN = Proof(False, "other faults lie over every pair, so that nobody can see yet that it is gone", hidden=True)


def in_sight(links: Iterable[Link], samples: Samples, others: Iterable[ResolvedFault]) -> list[Link] | None:
    """Which of these links must be seen to be whole again: not those of a broker that ended by itself, nor what another
    fault lies over. None: there are some, and all of them are hidden."""
    cover = cover_of(others)
    exited = {view.ordinal for view in samples.brokers if view.exited}
    owed = [link for link in links if not exited & {link[0], link[1]}]
    found = [link for link in owed if not cover.hides_whole(link)]
    return found if found or not owed else None


def cover_of(others: Iterable[ResolvedFault], exited: Iterable[int] = ()) -> Cover:
    """Add up the other faults, and the brokers that ended by themselves (``exited``)."""
    found = list(others)
    effects = [effect for other in found for effect in other.effects()]
    return Cover(
        frozenset().union(exited, *(effect.down for effect in effects)),
        frozenset().union(*(effect.cut for effect in effects)),
        frozenset(pair for other in found for pair in other.pairs),
    )
