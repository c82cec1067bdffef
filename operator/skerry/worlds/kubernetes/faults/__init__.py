"""The faults of the Kubernetes world: one handler each, in a module of the fault's name, and a line in `registry`."""
