"""`python3 -m kind kind-up|kind-down|node-image|images`: what the Make targets of the same names run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from . import base_image, host, versions
from .cache import Cache, default_root
from .chart import Chart
from .cluster import Cluster
from .console import Console, Failure
from .dockerd import Daemon
from .node_image import NodeImage
from .policy_check import PolicyCheck
from .product import Product

ROOT = Path(__file__).resolve().parents[2]


def up(cache: Cache, console: Console, env: Mapping[str, str]) -> None:
    """Cluster, images, charts; prints how to reach the cluster."""
    choice = _choose(console, env)
    Daemon(cache, console).ensure()
    cluster = Cluster(cache, console)
    node_image = env.get("NODE_IMAGE") or (None if choice.reachable else NodeImage(cache, console).ensure())
    cluster.install_tools()
    if not choice.reachable:
        cluster.keep_traffic_inside()
    cluster.up(node_image, outside=choice.reachable)
    product = Product(ROOT, cache, console)
    tags = product.build(_base_image(choice, cache, console, env))
    product.load(tags)
    PolicyCheck(cluster.kubectl, console).ensure(f"skerry/broker:{tags['broker']}")
    Chart(ROOT, cache, cluster.kubectl, console).ensure(tags)
    console.say(f"ready; the current kubectl context is {versions.CONTEXT}, its namespace {versions.NAMESPACE}")
    console.say(f"kubectl, helm and kind of the right versions: export PATH={cache.bin}:$PATH")


def down(cache: Cache, console: Console, env: Mapping[str, str]) -> None:
    """Delete the cluster; with KIND_DOWN_DOCKER=1 also stop the daemon that `up` started."""
    if console.succeeds(["docker", "info"]):
        Cluster(cache, console).down()
    else:
        console.say("no Docker daemon answers: there is no cluster to delete")
    if env.get("KIND_DOWN_DOCKER") == "1":
        Daemon(cache, console).stop()


def node_image(cache: Cache, console: Console, env: Mapping[str, str]) -> None:
    """Build the node image, or say that kind's own is used."""
    if _choose(console, env).reachable:
        console.say("node image: kind pulls its own; AIRGAP=1 builds one here")
        return
    Daemon(cache, console).ensure()
    NodeImage(cache, console).ensure()


def images(cache: Cache, console: Console, env: Mapping[str, str]) -> None:
    """Build Skerry's own images."""
    choice = _choose(console, env)
    Daemon(cache, console).ensure()
    Product(ROOT, cache, console).build(_base_image(choice, cache, console, env))


def _base_image(choice: host.Registries, cache: Cache, console: Console, env: Mapping[str, str]) -> str:
    if env.get("BASE_IMAGE"):
        return env["BASE_IMAGE"]
    return versions.PUBLIC_BASE_IMAGE if choice.reachable else base_image.ensure(cache, console)


def _choose(console: Console, env: Mapping[str, str]) -> host.Registries:
    host.require_linux()
    choice = host.registries(env)
    console.say(f"images are {'pulled' if choice.reachable else 'built on this machine'}: {choice.why}")
    return choice


COMMANDS = {"kind-up": up, "kind-down": down, "node-image": node_image, "images": images}


def main() -> int:
    parser = argparse.ArgumentParser(prog="kind", description="The test cluster; see docs/kind.md.")
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    # A user's PATH may lack the folders where dockerd, debootstrap and iptables are.
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    root = default_root(os.environ)
    try:
        cache = Cache(root)
    except OSError as error:
        print(f"{command}: the cache {root} cannot be used ({error.strerror}): set SKERRY_CACHE.", file=sys.stderr)
        return 1
    console = Console(cache.new_log(f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{command}"))
    try:
        with cache.locked():
            COMMANDS[command](cache, console, os.environ)
    except (Failure, OSError) as failure:
        print(f"{command}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{command}: interrupted ({console.current_step}); run it again to go on from there", file=sys.stderr)
        return 130
    finally:
        console.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
