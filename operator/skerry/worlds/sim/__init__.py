"""The simulator world: a whole cluster in one process, in virtual time, from one seed.

It runs the product's own pure machines (`skerry_broker.core.node.Node`, `skerry_broker.core.client.Client`), never
a copy or a subclass of them, on simulated disks, networks and clocks. Everything else in this package is the
world around them:

* `scheduler`: a heap of (time, sequence) in integer nanoseconds. Two events at one time run in the order in which
  they were posted. Nothing here waits; virtual time jumps to the next event. `tasks`: sequential work on top of it.
* `streams`: one root seed, one independent stream of randomness per name. A new draw in one place does not move
  the draws of another.
* `network`: directed links per plane. A connection is in order; a fault delays, loses, duplicates, reorders, holds
  or cuts what a link carries.
* `disk` (`disk_files`, `disk_writes`): what is written, and what of it is durable. A crash keeps a prefix of the
  writes; a power cut keeps an own prefix *per file*.
* `clock`: the monotonic and wall clock of one node, as a function of true time.
* `node_host` (`ports`): the driver of one `Node`, by the contract in `skerry_broker.core`.
* `clients`: drives `Client` machines. `log_clients`: carries a workload's operations out with them.
* `recording` (`status`): drives workload and observer, the same as in every world, and holds the history.
* `cluster`: all of these together, and the faults as verbs.
* `invariants`: an omniscient observer. It sees every effect before it is carried out and every disk, and checks the
  invariants of the protocol after every step, incrementally. `liveness`: what must come to pass after a heal.
* `chaos` (`plan`, `faults`): one seed = one cluster, one swarm of faults, one workload, then heal, converge, final
  read, verdict. `replay` runs one seed and tells; `shrink` leaves out what the failure does not need.
* `world` (`world_faults`, `pings`): the engine's World port on top of the same cluster, for
  ``skerry run --world sim``.

Determinism: the same seed gives the same events in the same order, in every process and on every machine. `trace`
hashes every event; a test runs seeds in two processes with different hash seeds and compares.
"""
