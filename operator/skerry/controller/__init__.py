"""The operator: a ChaosExperiment in, a verdict in its status out. `python -m skerry.controller`.

How it works. kopf watches the resource in a thread of its own (`watch`, `handlers`) and hands every event to the
`supervisor`, which keeps one task per experiment that has no verdict yet. The task (`experiment_run`) reads the
document, waits until the brokers are free and fit (`admission`: a Lease per StatefulSet, then preflight), drives
the conductor in the Kubernetes world, stores the report (`report`) and writes the verdict. What the resource's status
says is a pure function of what was heard (`status`); one writer per experiment brings it to the API server
(`status_writer`).

Invariants:
  1. Nothing of an experiment lives in this process only: its status says how far it came, its journal what may still
     be in effect. An operator that finds a run begun heals, drains and checks it; never is it resumed, or a
     Pass.
  2. No finalizer, hence only event handlers: owner references, fuses and self-expiring injectors clean up when the
     operator is away, and deletion never waits for it.
  3. What an experiment may break is decided before it touches anything; a refusal leaves nothing but a status.
  4. One experiment at a time per StatefulSet.
  5. A bug of ours ends an experiment as Inconclusive, `OperatorError`, after everything was healed.
"""
