"""Load: many clients at a service by `wrk`, which needs a hundredth of the processor of clients in Python."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
local bodies, n = {}, 0
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
end
function request()
  n = n % #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[n])
end
function done(summary, latency)
  local errors = summary.errors
  local line = '{"p50": %f, "p95": %f, "p99": %f, "requests": %d, "us": %d, "failed": %d}'
  io.write(string.format(line, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout), "\\n")
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What clients saw.

    Attributes:
        p50_ms, p95_ms, p99_ms: of an answer.
        per_second: answers.
        failed: requests without an answer, or with one other than 2xx.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    failed: int


def is_there() -> bool:
    """Whether `wrk` is installed."""
    return shutil.which("wrk") is not None


def load(url: str, bodies: Sequence[bytes], n_clients: int, seconds: float) -> Load:
    """POST `bodies` in turn to `url` for some seconds; each client asks again as soon as it has its answer.

    Raises:
        RuntimeError: `wrk` is not installed.
    """
    if not is_there():
        raise RuntimeError("the load comes from wrk, but it is not installed: Debian's package is wrk.")
    with tempfile.TemporaryDirectory(prefix="encore-load-") as folder:
        script, lines = Path(folder) / "post.lua", Path(folder) / "bodies"
        script.write_text(SCRIPT)
        lines.write_bytes(b"\n".join(bodies) + b"\n")
        options = ["-t1", f"-c{n_clients}", f"-d{seconds:g}s", "--timeout", "30s"]
        command = ["wrk", *options, "-s", str(script), url, "--", str(lines)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    p50, p95, p99 = (round(found[name] / 1000, 2) for name in ("p50", "p95", "p99"))
    return Load(p50, p95, p99, round(1e6 * found["requests"] / found["us"], 1), found["failed"])
