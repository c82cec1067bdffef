"""Lets the tests here import the helper modules beside them. Each helper is one layer of the broker, alone:

* `raft_cluster`: Raft replicas on toy disks and a network that the test delivers message by message.
* `control_plane`: the controller; Raft is a list, and brokers say what they are told. For stories, step by step.
* `control_world`: the controller with the brokers' real sessions, lost and late messages. For random walks.
* `replica_cluster`: the replicas of one partition; the controller is a word of the script.
* `node_stories`: whole nodes, in the simulator, with its observer on.

They are not one, because a rule that is broken in one layer must be found there, without the help of the next.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from peer_sides import pair as pair  # a fixture
