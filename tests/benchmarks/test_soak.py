"""The soak: its clients keep their times, its numbers are right, and it drives a real service."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.catalogue_swap import made
from benchmarks.load import is_there
from benchmarks.soak import Sample, memory, slope
from benchmarks.steady import EVENT_KEY, ask, summed
from models.bundle import save

ROOT = Path(__file__).resolve().parents[2]


class Shop:
    """A service that answers 200, or 500 to a body with "bad"; it pauses once, and may hang up after each."""

    def __init__(self, *, pause_at: int = -1, pause: float = 0.0, hangs_up: bool = False) -> None:
        self.pause_at, self.pause, self.hangs_up = pause_at, pause, hangs_up
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                if len(self.bodies) == self.pause_at:
                    await asyncio.sleep(self.pause)
                status = b"500 Bad" if b"bad" in self.bodies[-1] else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\n")
                await writer.drain()
                writer.write(b"{}")
                if self.hangs_up:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def asked(self, bodies: list[bytes], rate: float, seconds: float) -> list[tuple]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        done = await ask(f"http://127.0.0.1:{port}", [("/x", body) for body in bodies], rate, seconds)
        server.close()
        return done


def test_requests_keep_their_times_while_an_answer_is_late() -> None:
    shop = Shop(pause_at=5, pause=0.4)
    done = asyncio.run(shop.asked([b"{}"], 100, 1))
    assert [round(due * 100) for due, *_ in done] == list(range(100))
    assert len(shop.bodies) == 100
    late = [seconds for _, _, seconds, _ in done if seconds > 0.35]
    assert len(late) == 1


def test_failures_are_counted_and_each_event_has_a_key_of_its_own() -> None:
    shop = Shop()
    done = summed(asyncio.run(shop.asked([EVENT_KEY, b"bad", b"{}"], 90, 1)))
    assert (done.total.requests, done.total.failed, done.paths["/x"].failed) == (90, 30, 30)
    keys = {body for body in shop.bodies if body not in (b"bad", b"{}")}
    assert len(keys) == 30


def test_a_service_that_hangs_up_between_requests_costs_none() -> None:
    done = summed(asyncio.run(Shop(hangs_up=True).asked([b"{}"], 50, 1)))
    assert (done.total.requests, done.total.failed) == (50, 0)


def test_minutes_and_times_are_those_of_the_answers() -> None:
    asked = [(second, "/x", (second % 60 + 1) / 1000, 200) for second in range(120)]
    told = summed([*asked, (120.0, "/y", float("nan"), 0)])
    assert [(each.requests, each.failed) for each in told.minutes] == [(60, 0), (60, 0), (1, 1)]
    assert (told.minutes[0].p50_ms, told.minutes[0].max_ms) == (30, 60)
    assert told.total.max_ms == np.inf


def test_growth_is_that_of_the_last_three_quarters() -> None:
    early = [Sample(second, 100 + second, 9) for second in range(0, 100, 10)]
    late = [Sample(second, 200 + 36 * second / 3600, 9) for second in range(100, 401, 10)]
    assert memory(Sample(0, 50, 9), [*early, *late])["rss_mib_per_hour"] == pytest.approx(36)
    assert slope(early, lambda each: each.rss_mib) == pytest.approx(3600)


@pytest.mark.slow
@pytest.mark.skipif(not is_there(), reason="the peak comes from wrk (Debian package wrk)")
def test_a_short_soak_of_a_small_service_is_measured(tmp_path: Path) -> None:
    save(made(400), tmp_path / "bundle")
    out = tmp_path / "out" / "soak.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--bundle", str(tmp_path / "bundle")]
    command += ["--minutes", "0.1", "--peak-seconds", "1", "--change-seconds", "3", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["requests_per_second"] == pytest.approx(0.8 * report["peak_per_second"], rel=0.01)
    assert report["total"]["requests"] == pytest.approx(6 * report["requests_per_second"], abs=2)
    assert sorted(report["paths"]) == ["/complete", "/events", "/recommend", "/similar"]
    assert report["total"]["failed"] == 0
    assert report["catalogue_acts"] >= 3
    assert report["megabytes_on_disk"]["events"] > 0 < report["megabytes_on_disk"]["answers"]
    assert report["samples"][0]["rss_mib"] > 100
    assert out.with_suffix(".png").stat().st_size > 5_000
    assert str(tmp_path) not in out.read_text()
