"""Wrong commands: one sentence on standard error, exit code 3, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skerry.cli import run_command_line
from skerry.cli.errors import output_error
from skerry.experiment.schema import json_schema

EXPERIMENT = str(Path(__file__).parents[2] / "experiments" / "01-leader-isolation.yaml")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing command; see `skerry --help`"),
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?; see `skerry --help`"),
        (["--verbose"], "No such option: --verbose"),
        (["run"], "Missing argument 'FILE|DIR'; see `skerry run --help`"),
        (["run", EXPERIMENT, "--sede", "1"], "No such option: --sede"),
        (["run", EXPERIMENT, "--seed"], "Option '--seed' requires an argument; see `skerry --help`"),
        (["run", EXPERIMENT, "--seed", "x"], "Invalid value for '--seed'"),
        (["run", EXPERIMENT, "--seed", "-1"], "Invalid value for '--seed'"),
        (["run", EXPERIMENT, "--seed", str(2**53)], "Invalid value for '--seed'"),
        (["run", EXPERIMENT, "--runs", "0"], "Invalid value for '--runs'"),
        (["run", EXPERIMENT, "--world", "mars"], "Invalid value for '--world': 'mars' is not one of 'sim', 'local'"),
        (["run", EXPERIMENT, EXPERIMENT], "Got unexpected extra argument"),
        (["check"], "Missing argument 'HISTORY'; see `skerry check --help`"),
        (["report"], "name either HISTORY, a recorded run, or --kube NAME; see `skerry report --help`"),
        (["report", "history.jsonl", "--kube", "cut"], "name either HISTORY, a recorded run, or --kube NAME"),
        (["report", "--kube", "A/b"], "Invalid value for '--kube': `A/b` is no name of a Kubernetes object"),
        (["clean", "-n", "A"], "Invalid value for '-n' / '--namespace': `A` is no name of a Kubernetes object"),
        (["clean", "a,b"], "Invalid value for 'NAME': `a,b` is no name of a Kubernetes object"),
        (["plan"], "Missing argument 'FILE'; see `skerry plan --help`"),
        (["plan", EXPERIMENT, "--world", "mars"], "Invalid value for '--world': 'mars' is not one of 'sim', 'local'"),
        (["schema", "extra"], "Got unexpected extra argument"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_one_sentence(arguments, sentence, capsys):
    assert run_command_line(arguments) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence)
    assert output.err.count("\n") == 1
    assert "see `skerry" in output.err


@pytest.mark.parametrize("command", [[], ["run"], ["check"], ["plan"], ["report"], ["schema"], ["clean"], ["doctor"]])
def test_help_is_no_error(command, capsys):
    assert run_command_line([*command, "--help"]) == 0
    assert "Usage: skerry" in capsys.readouterr().out


def test_the_version_is_one_line(capsys):
    assert run_command_line(["--version"]) == 0
    assert capsys.readouterr().out.startswith("skerry 0.")


def test_the_schema_is_that_of_the_models(capsys):
    assert run_command_line(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_a_reader_that_has_read_enough_sees_no_traceback():
    """It sees no verdict either: 141 is none of 0 to 3. The reader has gone before anything is written: one that goes
    after its first byte may find that all of it was in the pipe already."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from skerry.cli import main; main()", "schema"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        ("EACCES", "runs/x: Permission denied; choose another --out, or change who may write there"),
        ("ENOSPC", "runs/x: No space left on device; make room, or choose another --out"),
        ("EMFILE", "runs/x: Too many open files; raise the limit of open files (`ulimit -n`)"),
    ],
)
def test_what_the_machine_refuses_names_what_to_change(number, ending):
    code = getattr(__import__("errno"), number)
    assert str(output_error(OSError(code, os.strerror(code), "runs/x"), Path("runs"))) == ending


def test_an_error_that_no_user_can_mend_is_not_dressed_up():
    assert output_error(ConnectionResetError(104, "Connection reset by peer"), Path("runs")) is None


OUTPUT = pytest.mark.parametrize("command", [["run", EXPERIMENT, "--world", "sim"], ["report", "HISTORY"]])


@OUTPUT
@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("/proc/self/nowhere/out", "No such file or directory; choose another --out"),
        ("dangling/out", "; choose another --out"),
        ("file/out", "; choose another --out"),
        ("x" * 300, "File name too long; choose a shorter --out"),
    ],
)
def test_an_output_directory_that_cannot_be(command, out, sentence, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "else")
    history = tmp_path / "history.jsonl"
    history.write_bytes(b"")
    arguments = [str(history) if word == "HISTORY" else word for word in command]
    assert run_command_line([*arguments, "--out", str(tmp_path / out)]) == 3
    said = capsys.readouterr().err
    assert said.endswith(sentence + "\n")
    assert said.count("\n") == 1


@OUTPUT
def test_an_output_directory_that_is_a_file(command, tmp_path, capsys):
    history, out = tmp_path / "history.jsonl", tmp_path / "out"
    history.write_bytes(b"")
    out.write_text("mine")
    arguments = [str(history) if word == "HISTORY" else word for word in command]
    assert run_command_line([*arguments, "--out", str(out)]) == 3
    assert capsys.readouterr().err == f"{out}: File exists; choose another --out\n"
    assert out.read_text() == "mine"


def in_a_process(*arguments, **environment):
    """The command in a process of its own: its exit code, standard output and standard error."""
    code = "from skerry.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, timeout=60, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "latin-1:strict"},
    ],
)
def test_no_locale_ends_in_a_traceback(environment, tmp_path):
    document = tmp_path / "x.yaml"
    text = Path(EXPERIMENT).read_text().replace("hypothesis: ", "hypothesis: → ✓ ")
    document.write_text(text, encoding="utf-8")
    code, out, err = in_a_process("plan", str(document), **environment)
    assert (code, err) == (0, b"")
    assert b"leader-isolation: -> " in out
    code, out, err = in_a_process("plan", os.fsdecode(b"\xff\xfe.yaml"), **environment)
    assert (code, out) == (3, b"")
    assert b"Traceback" not in err


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback(tmp_path):
    """The import is interrupted by a module that stands in the way of a real one."""
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    code, out, err = in_a_process("schema", PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert (code, out, err) == (2, b"", b"interrupted\n")


HEAVY = {"pydantic", "msgspec", "asyncio", "aiohttp", "uvloop", "jinja2", "yaml", "skerry.experiment"}


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["plan", "experiments/01-leader-isolation.yaml"], {"aiohttp", "kubernetes"}),
    ],
    ids=["help", "version", "plan"],
)
def test_a_command_loads_nothing_that_it_does_not_use(arguments, unused):
    """The first two took 0.3 s, and the last 0.7 s, a third of it for an HTTP client that asks nobody."""
    code = (
        "import sys; from skerry.cli import run_command_line; run_command_line(sys.argv[1:]); "
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    assert sorted(unused & set(done.stderr.split())) == []
