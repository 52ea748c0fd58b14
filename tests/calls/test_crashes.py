"""The local engine is killed at random instants over calls and reviews (`bench/effects_crash.py` does it 200 times)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "effects_crash.py"
POINTS = int(os.environ.get("COMPILED_AI_TEST_CRASHES", "25"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
def test_whenever_the_process_is_killed_nothing_is_lost_or_doubled_and_every_doubt_is_listed(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--points", str(POINTS), "--seed", "7", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["faults"], told["claims"]) == ([], POINTS)
    assert told["kills"] > POINTS / 4
