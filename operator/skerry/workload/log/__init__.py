"""The workload of the log model: append to partitions of a topic, read from an offset on.

`operations`: what a client is asked to do, and what it answers. `producer`, `reader`, `probe`: plans of single
processes.
"""
