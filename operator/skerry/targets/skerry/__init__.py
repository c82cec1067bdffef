"""The target `skerry`: the broker of this project.

`target`: what it is, as data. `system`: a running cluster (`client`, `admin`, `status`). `process`: how a broker is
started on this machine. `disk`: what it left there.
"""
