"""The target `etcd`: a store of keys that others wrote, reached by its HTTP/JSON gateway.

Its model is the register: put and get. A member is reached on two planes: ``Client`` (the gateway, status and metrics)
and ``Peer`` (Raft between the members).
"""

from skerry.targets.etcd.client import EtcdClient
from skerry.targets.etcd.status import MemberStatus

__all__ = ["EtcdClient", "MemberStatus"]
