"""The engine: a pure conductor, and the port through which a world carries out what it decides.

How it works. ``Conductor.step(now_ns, observation) -> list[Action]`` is a function of its arguments and its own
state. It reads no clock, awaits nothing and draws no randomness of its own (repeats jitter from a stream that the
run's seed names). The *world* owns the clock, the waiting and every side effect; each turn is `loop.Loop`'s::

    while not loop.finished:                            # about every 50 ms
        kept = loop.decide()                            # observe (never waits), then step
        refused = journal(kept)                         # durable before ...
        loop.carry_out(refused)                         # ... it is begun; never waits for its end

How an action ends is seen in later observations, as an ``ActionReport`` with the action's id: ``STARTED``, then
``DONE`` or ``FAILED``, bracketed by the runner's own clock. So the conductor never blocks, and a world in which nothing
answers still reaches ``Finish``: every phase has a bound.

What a world promises (numbered, because the conductor's argument rests on them):

1. Times are integer nanoseconds of the runner's one monotonic clock since the start of the run, and never decrease.
2. ``perform`` begins each action once, in order. One that it cannot do gets a ``FAILED`` report, never an exception.
3. An injected fault ends by itself at its deadline even if the conductor is gone (proxy deadline, fuse, SIGCONT).
4. ``Heal`` and ``HealAll`` are "make it absent": they may come twice, or for a fault that never took effect.
5. Observations report what brokers and the kernel say, never what the injector believes. A sample carries when it was
   asked; the conductor trusts only samples that were asked after the action they are to prove.
6. The world itself writes to the history what it samples (status, links, metrics, stalls, operations). The conductor's
   own records (fault steps, phases, notes) come as ``Record`` actions.

Modules: `world` (the port; re-exports the vocabulary), `loop` (one turn), `actions`, `observation`, `capabilities`,
`needs`, `timeline` (occurrences), `resolution` (roles to ordinals), `guard`, `fault_instance` (one occurrence),
`steady`, `probes`, `conductor`, `bounds`, `step_context`, `journal`, `plan`. What a fault is, what it takes away and
how it is proven is asked of `skerry.faults`; who has which role, when a cluster is whole and what becomes of it is
asked of the rules of the system under test (`skerry.targets.port`): no module here knows a fault or a system by its
name.
"""
