"""Skerry's own images: built from the Dockerfile, named by their contents, loaded into the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from . import versions
from .cache import Cache
from .console import Console

TARGETS = ("broker", "operator", "injector")
REPOSITORY = "skerry"


def content_tag(image_id: str) -> str:
    """An image's tag out of its id: a new tag is what makes pods start anew, and only when their image changed."""
    return image_id.removeprefix("sha256:")[:12]


def names(tags: Mapping[str, str]) -> list[str]:
    return [f"{REPOSITORY}/{target}:{tag}" for target, tag in tags.items()]


def not_loaded(wanted: Iterable[str], listed: str) -> list[str]:
    """Those of `wanted` that `ctr images ls -q` does not list; containerd writes Docker Hub's host in front."""
    present = set(listed.split())
    return [name for name in wanted if f"docker.io/{name}" not in present]


class Product:
    def __init__(self, root: Path, cache: Cache, console: Console) -> None:
        self._root = root
        self._cache = cache
        self._kind = str(cache.bin / "kind")
        self._console = console
        self._inside = ["docker", "exec", versions.NODE, "ctr", "-n", "k8s.io", "images"]

    def build(self, base_image: str) -> dict[str, str]:
        """Build every target on that base: target -> its tag. Each is also tagged `dev`.

        Raises Failure: a build fails.
        """
        tags = {}
        # Not asked by name afterwards: another checkout may have built the same name meanwhile.
        id_file = self._cache.root / "image-id"
        with self._console.step(f"building the images on {base_image}"):
            for target in TARGETS:
                image = f"{REPOSITORY}/{target}:dev"
                # The host's network: what reaches the package registries here reaches them in the build.
                options = ["--network", "host", "--build-arg", f"BASE_IMAGE={base_image}", "--target", target]
                options += ["--iidfile", str(id_file)]
                self._console.run(["docker", "build", *options, "-t", image, str(self._root)])
                image_id = id_file.read_text().strip()
                tags[target] = content_tag(image_id)
                self._console.run(["docker", "tag", image_id, f"{REPOSITORY}/{target}:{tags[target]}"])
        self._console.say(f"images: {' '.join(names(tags))}")
        return tags

    def load(self, tags: Mapping[str, str]) -> None:
        """Put the images into the node, unless it has them."""
        missing = not_loaded(names(tags), self._console.capture([*self._inside, "ls", "-q"]))
        if not missing:
            self._console.say("images: the node has them")
            return
        with self._console.step("loading the images into the node"):
            # Together, so that layers they share are sent once.
            self._console.run([self._kind, "load", "docker-image", "--name", versions.CLUSTER, *missing])
