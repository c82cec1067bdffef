"""A Kubernetes cluster as a world: brokers are pods of a StatefulSet, faults are objects of the API."""
