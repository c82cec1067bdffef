"""The faults of the simulated world: one handler each, in a module of the fault's name, and a line in `registry`."""
