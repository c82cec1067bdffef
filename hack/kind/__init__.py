"""The test cluster: a real kind cluster, on a machine with image registries or without any.

Theory of operation. With registries, kind pulls its own node image and Calico comes from its published manifest.
Without, the same parts are compiled from Go modules (`parts`), put on root file systems made of Debian packages
(`rootfs`) and baked into one node image (`node_image`). `cluster` creates the cluster from either, `product` builds and
loads Skerry's own images, `chart` installs them.

Every result has a name that ends in a hash of what went into it: versions and the scripts themselves. A result that
exists is never made again, so an interrupted run resumes and a second run has nothing to do. What can be decided from
text alone is in plain functions, tested in tests/hack.

The scripts use the standard library only: they run before any environment exists. Run them as `make kind-up` and
friends, or as `PYTHONPATH=hack python3 -m kind kind-up`.
"""
