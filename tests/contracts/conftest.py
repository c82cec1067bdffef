"""Lets the tests here import what lies beside them, and beside the CRD's bad examples."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "e2e" / "crd")]
