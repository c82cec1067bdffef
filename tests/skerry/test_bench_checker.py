"""What the benchmark of the checker measures is a run that passes: one that does not is judged to another end."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from skerry.checker import check
from skerry.history import History
from skerry.schema.verdict import Verdict

BENCH = Path(__file__).parents[2] / "bench" / "checker.py"


def test_a_generated_run_passes() -> None:
    """The planted bug: a rule on documents and their faults was added, and the benchmark stopped at its assertion."""
    spec = importlib.util.spec_from_file_location("bench_checker", BENCH)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    findings = check(History(bench.generated_run(240)))
    assert [finding.message for finding in findings if finding.verdict is not Verdict.PASS] == []
