"""What can be broken: one folder a fault, all of one shape, and a line each in `registry`.

How it works. A fault is three modules. `model` is its part of the document, with the sentences about it that the API
server can check (CEL). `fault` is what it becomes once it is known who is meant: a frozen struct with concrete broker
ordinals, which says what it touches and takes away from the cluster while it lasts (for the guard), how long its
beginning may take, and which features it needs of a world. `proof` says how it is seen to be in effect, and to be gone,
from what brokers and kernels report. ``FAULT`` in the folder's `__init__` puts them together as a `port.FaultType`.

Everybody else (engine, checker, report, the generated CRD) asks the registry or the struct through `port`, and knows no
fault by its name. What a world does with a fault is that world's handler, below ``skerry.worlds.<world>.faults``.

A fault that is installed beside Skerry is found by an entry point of the group ``skerry.faults`` that names its
``FAULT``; its handlers by the groups ``skerry.faults.sim``, ``skerry.faults.local``, ``skerry.faults.kubernetes``.

`samples` is what a proof may read; `proof`, `broker_proofs` and `pairs` are what several faults share. Faults do not
import each other.
"""
