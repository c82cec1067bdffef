"""The system under test: a replicated log broker with a Raft metadata quorum and ISR replication.

It knows nothing of Skerry, the laboratory that breaks it.
"""
