"""The local world: real broker processes on this machine, real sockets, real fsync, no root.

Four kinds of process: the *runner* (this program: conductor, workload, recording; its clock judges), the *brokers*
(`skerry-broker`, own data directories), the *fault proxy* (`proxy.py`: every byte between two brokers passes through
it, so it can cut, slow or reset any ordered pair on any plane), and the *watchdog* (`watchdog.py`: when the runner
dies, even by SIGKILL, it kills what is left). Nothing listens anywhere but on loopback.
"""
