"""What records a run on real sockets: one process, one clock, one history.

The workload (`load`), the eyes on the brokers (`sampling`), the last read (`final_read`) and the history file
(`recorder`) run in one event loop and stamp everything with one `clock`. The local world holds them in its own process;
on Kubernetes they run in the workload pod, behind the HTTP interface of `service`, and the conductor is elsewhere.
"""
