"""A gate that refuses: exit code three, nothing served, and the ledger says why."""

import pytest

from flows.ledger import Ledger

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_gate_that_nobody_passes_refuses_with_exit_code_three(encore, tmp_path):
    strict = tmp_path / "strict.toml"
    text = SMOKE.read_text().replace("min_users = 50", "min_users = 100000")
    begin, end = text.index("valid_cutoff"), text.index("[filters]")
    moving = "valid_days = 1\ntest_days = 1\n"  # cut-offs that move with the data
    strict.write_text(text[:begin] + moving + text[end:])
    process = encore(tmp_path / "home", "retrain", str(strict))
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 3, said
    assert "Only 300 users were measured, but 100,000 are needed" in said.replace("\n", " ")
    assert not (tmp_path / "home" / "serving.json").exists()
    assert Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}").entries()[-1].action == "refuse"
    ledger = Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    process = encore(tmp_path / "home", "promote", str(strict), "--force", "--reason", "a rehearsal")
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    entry = ledger.entries()[-1]
    assert (entry.action, entry.reason) == ("promote", "Forced against the gate: a rehearsal")
    assert (tmp_path / "home" / "serving.json").exists()
