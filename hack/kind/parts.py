"""The programs that are compiled here: which, from which Go module, with which flags. Each is built once and kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import gomodules, versions
from .cache import FILES, Cache, digest, tree
from .console import Console, Failure

KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)
# Static programs: they run in images that hold nothing else.
BUILD_ENV = {"CGO_ENABLED": "0"}


@dataclass(frozen=True)
class Module:
    """A Go module with one direct requirement. `go_mod` makes its text from the required module's own go.mod."""

    name: str
    path: str
    version: str
    go_mod: Callable[[str], str]


@dataclass(frozen=True)
class Program:
    """One program. Without a `module` it is installed by its own repository's go.mod, as `package@version`."""

    name: str
    package: str
    version: str
    module: Module | None = None
    variables: dict[str, str] = field(default_factory=dict)
    main: Path | None = None

    @property
    def linker_flags(self) -> str:
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables.items())])

    def key(self) -> str:
        """Changes with everything that goes into the program, except the compiler's version."""
        text = self.module.go_mod("") if self.module else ""
        source = tree(self.main) if self.main else []
        return digest(self.package, self.version, self.linker_flags, text, *source)


def _kubernetes_mod(upstream: str) -> str:
    version = "v0." + versions.KUBERNETES.removeprefix("1.")
    replaces = gomodules.staging(upstream, version)
    requires = {"k8s.io/kubernetes": f"v{versions.KUBERNETES}"}
    return gomodules.go_mod("skerry.dev/kubernetes", "1.24.0", requires, replaces, ["godebug default=go1.24"])


def _calico_mod(upstream: str) -> str:
    api = "github.com/projectcalico/api"
    replaces = gomodules.replacements(upstream) | {api: f"{api} {versions.CALICO_API_MODULE}"}
    return gomodules.go_mod(
        "skerry.dev/calico", "1.23.8", {"github.com/projectcalico/calico": versions.CALICO_MODULE}, replaces
    )


def _plain_mod(name: str, path: str, version: str) -> Callable[[str], str]:
    return lambda _upstream: gomodules.go_mod(f"skerry.dev/{name}", "1.24.0", {path: version}, {})


KUBERNETES = Module("kubernetes", "k8s.io/kubernetes", f"v{versions.KUBERNETES}", _kubernetes_mod)
CALICO = Module("calico", "github.com/projectcalico/calico", versions.CALICO_MODULE, _calico_mod)
_ETCD_PATH, _COREDNS_PATH = "go.etcd.io/etcd/server/v3", "github.com/coredns/coredns"
ETCD = Module("etcd", _ETCD_PATH, f"v{versions.ETCD}", _plain_mod("etcd", _ETCD_PATH, f"v{versions.ETCD}"))
COREDNS = Module(
    "coredns", _COREDNS_PATH, f"v{versions.COREDNS}", _plain_mod("coredns", _COREDNS_PATH, f"v{versions.COREDNS}")
)

_MINOR = versions.KUBERNETES.split(".")[1]
_STAMP = "k8s.io/component-base/version"
_KUBERNETES_VARIABLES = {
    f"{_STAMP}.gitVersion": f"v{versions.KUBERNETES}",
    f"{_STAMP}.gitMajor": "1",
    f"{_STAMP}.gitMinor": _MINOR,
    f"{_STAMP}.gitTreeState": "clean",
    "k8s.io/client-go/pkg/version.gitVersion": f"v{versions.KUBERNETES}",
}
_HELM_VARIABLES = {
    "helm.sh/helm/v3/internal/version.version": f"v{versions.HELM}",
    **{f"helm.sh/helm/v3/pkg/{where}.k8sVersionMajor": "1" for where in ("chartutil", "lint/rules")},
    **{f"helm.sh/helm/v3/pkg/{where}.k8sVersionMinor": _MINOR for where in ("chartutil", "lint/rules")},
}

KIND = Program("kind", "sigs.k8s.io/kind", f"v{versions.KIND}")
HELM = Program("helm", "helm.sh/helm/v3/cmd/helm", f"v{versions.HELM}", variables=_HELM_VARIABLES)
TOOLS = (KIND, HELM)

NODE_PROGRAMS = (
    *(
        Program(n, f"k8s.io/kubernetes/cmd/{n}", f"v{versions.KUBERNETES}", KUBERNETES, _KUBERNETES_VARIABLES)
        for n in KUBERNETES_PROGRAMS
    ),
    Program("etcd", _ETCD_PATH, f"v{versions.ETCD}", ETCD),
    Program("coredns", ".", f"v{versions.COREDNS}", COREDNS, main=FILES / "coredns"),
    Program("calico-node", "github.com/projectcalico/calico/node/cmd/calico-node", versions.CALICO_MODULE, CALICO),
    Program("calico", "github.com/projectcalico/calico/cni-plugin/cmd/calico", versions.CALICO_MODULE, CALICO),
    Program("local-path-provisioner", "github.com/rancher/local-path-provisioner", f"v{versions.LOCAL_PATH}"),
)


class Builder:
    """Compiles programs into the cache; Go's own build cache makes a second build of the same thing quick."""

    def __init__(self, cache: Cache, console: Console) -> None:
        self._cache = cache
        self._console = console
        self._sources: dict[str, Path] = {}

    def path(self, program: Program) -> Path:
        return self._cache.file(program.name, program.key())

    def build(self, program: Program, position: str = "") -> Path:
        """Where the program is, compiled now if it was not before; `position` ("2 of 12") is for the progress line.

        Raises Failure: a module cannot be fetched, or the compiler refuses it.
        """
        if self.path(program).exists():
            return self.path(program)
        with self._console.step(f"compiling {program.name}{position and f' ({position})'}"):
            return self._cache.make(program.name, program.key(), lambda out: self._compile(program, out))

    def source(self, path: str, version: str) -> Path:
        """The folder of a module's source, fetched through Go's module proxy.

        Raises Failure: the module cannot be fetched.
        """
        module = f"{path}@{version}"
        if module not in self._sources:
            # Outside any module, or the go.mod above would be consulted.
            said = self._console.capture(["go", "mod", "download", "-json", module], cwd=self._cache.bin)
            folder = json.loads(said).get("Dir")
            if not folder:
                raise Failure(f"Go module {module} cannot be fetched: set GOPROXY to one that has it.")
            self._sources[module] = Path(folder)
        return self._sources[module]

    def _compile(self, program: Program, out: Path) -> None:
        flags = ["-trimpath", "-ldflags", program.linker_flags]
        if program.module is None:
            gobin = out.parent / "bin"
            target = f"{program.package}@{program.version}"
            self._console.run(["go", "install", *flags, target], env={**BUILD_ENV, "GOBIN": str(gobin)}, cwd=out.parent)
            (gobin / program.name).rename(out)
            return
        folder = self._cache.root / "modules" / program.module.name
        folder.mkdir(parents=True, exist_ok=True)
        upstream = (self.source(program.module.path, program.module.version) / "go.mod").read_text()
        (folder / "go.mod").write_text(program.module.go_mod(upstream))
        if program.main is not None:
            shutil.copytree(program.main, folder, dirs_exist_ok=True)
        self._console.run(
            ["go", "build", "-mod=mod", *flags, "-o", str(out), program.package], env=BUILD_ENV, cwd=folder
        )
