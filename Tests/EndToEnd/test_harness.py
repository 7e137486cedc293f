"""The harness itself, where a fault of its own would look like one of the product."""

import json
import subprocess
import sys
from pathlib import Path

from harness.ports import claim, free_ports


def another_run(expression):
    """Returns what another process finds."""
    code = f"import json; from harness.ports import claim, free_ports; print(json.dumps({expression}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_a_port_is_one_runs_until_it_ends():
    mine = free_ports(3)
    assert len(set(mine)) == 3 and not any(map(claim, mine))
    assert another_run(f"[claim(port) for port in {mine}]") == [False] * 3
    theirs = another_run("free_ports(3)")
    assert not set(theirs) & set(mine)
    # Of a run that has ended nothing is left.
    assert all(map(claim, theirs))
