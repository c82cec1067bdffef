"""The target `etcd`: a store of keys that others wrote, reached by its HTTP/JSON gateway.

`target`: what it is, as data. `system`: a running cluster (`client` and its `gateway`, `admin`, `status`, `report`).
`launch`: how a member is started on this machine. Its model is the register: put and get. A member is reached on two
planes: ``Client`` (the gateway, status and metrics) and ``Peer`` (Raft between the members).
"""
