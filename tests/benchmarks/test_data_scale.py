import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "data_scale.py"
COMMITTED = SCRIPT.parent / "results" / "data_scale.json"


@pytest.mark.slow
def test_the_benchmark_runs_on_a_small_size(tmp_path):
    output = tmp_path / "result.json"
    command = [sys.executable, SCRIPT, "--sizes", "20000", "--output", output]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads(output.read_text())
    assert result["rows"][0]["events"] == pytest.approx(20_000, rel=0.01)
    assert result["linearity"]["seconds"] == 1.0  # one size: itself


def test_the_committed_result_is_inside_the_limits():
    result = json.loads(COMMITTED.read_text())
    largest = result["rows"][-1]
    assert largest["events"] >= result["limits"]["events"]
    assert largest["seconds"] < result["limits"]["seconds"]
    assert largest["peak_mib"] < result["limits"]["mib"]
