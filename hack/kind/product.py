"""Skerry's own images: built from the Dockerfile, named by their contents, loaded into the node."""

from __future__ import annotations

from pathlib import Path

from . import versions
from .cache import Cache, digest
from .console import Console, Failure

TARGETS = ("broker", "operator", "injector")
REPOSITORY = "skerry"


def common_tag(image_ids: dict[str, str]) -> str:
    """One tag for all targets, which changes when any image does: a new tag is what makes pods start anew."""
    return digest(*(f"{target}={image_ids[target]}" for target in sorted(image_ids)))


def names(tag: str) -> list[str]:
    return [f"{REPOSITORY}/{target}:{tag}" for target in TARGETS]


def not_loaded(wanted: list[str], listed: str) -> list[str]:
    """Those of `wanted` that `ctr images ls -q` does not list; containerd writes Docker Hub's host in front."""
    present = set(listed.split())
    return [name for name in wanted if f"docker.io/{name}" not in present]


def outdated(tag: str, listed: str) -> list[str]:
    """Images of other runs in a list of `repository:tag` words: with a tag of twelve hex digits that is not `tag`."""
    prefixes = tuple(f"{host}{REPOSITORY}/{target}:" for host in ("", "docker.io/") for target in TARGETS)
    found = [name for name in listed.split() if name.startswith(prefixes)]
    return [name for name in found if _is_digest(name.rsplit(":", 1)[1]) and not name.endswith(f":{tag}")]


def _is_digest(tag: str) -> bool:
    return len(tag) == 12 and set(tag) <= set("0123456789abcdef")


class Product:
    def __init__(self, root: Path, cache: Cache, console: Console) -> None:
        self._root = root
        self._kind = str(cache.bin / "kind")
        self._console = console
        self._inside = ["docker", "exec", versions.NODE, "ctr", "-n", "k8s.io", "images"]

    def build(self, base_image: str) -> str:
        """Build every target on that base and return their common tag; each is also tagged `dev`.

        Raises:
            Failure: there is no Dockerfile, or a build fails.
        """
        if not (self._root / "Dockerfile").exists():
            raise Failure(f"There is no Dockerfile in {self._root}.")
        ids = {}
        with self._console.step(f"building the images on {base_image}"):
            for target in TARGETS:
                image = f"{REPOSITORY}/{target}:dev"
                # The host's network: what reaches the package registries here reaches them in the build.
                options = ["--network", "host", "--build-arg", f"BASE_IMAGE={base_image}", "--target", target]
                self._console.run(["docker", "build", *options, "-t", image, str(self._root)])
                ids[target] = self._console.capture(["docker", "image", "inspect", "--format", "{{.Id}}", image])
        tag = common_tag(ids)
        for target in TARGETS:
            self._console.run(["docker", "tag", f"{REPOSITORY}/{target}:dev", f"{REPOSITORY}/{target}:{tag}"])
        self._console.say(f"images: {' '.join(names(tag))}")
        return tag

    def load(self, tag: str) -> None:
        """Put the images into the node, unless it has them."""
        missing = not_loaded(names(tag), self._console.capture([*self._inside, "ls", "-q"]))
        if not missing:
            self._console.say("images: the node has them")
            return
        with self._console.step("loading the images into the node"):
            # Together, so that layers they share are sent once.
            self._console.run([self._kind, "load", "docker-image", "--name", versions.CLUSTER, *missing])

    def forget_others(self, tag: str) -> None:
        """Drop images of earlier runs, here and in the node: nothing refers to them once the charts use this tag."""
        old = outdated(tag, self._console.capture(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]))
        if old:
            self._console.run(["docker", "image", "rm", *old])
        old = outdated(tag, self._console.capture([*self._inside, "ls", "-q"]))
        if old:
            self._console.run([*self._inside, "rm", *old])
