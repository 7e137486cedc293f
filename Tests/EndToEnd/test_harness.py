"""The harness itself, where a fault of its own would look like one of the product."""

import json
import subprocess
import sys
from pathlib import Path

from harness.impairment import Link
from harness.ports import claim, free_ports
from harness.sound import drift


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


def share_lost(link, packets=20_000):
    return sum(link.pass_on(index / 1000, 1200) is None for index in range(packets)) / packets


def test_the_bad_network_is_as_bad_as_it_says_and_the_same_every_time():
    assert share_lost(Link(loss=0.05)) == share_lost(Link(loss=0.05)) != share_lost(Link(loss=0.05, seed=2))
    assert abs(share_lost(Link(loss=0.05)) - 0.05) < 0.01
    # In the bad state for 0.02 / (0.02 + 0.3) of the time, where four of five are lost.
    assert abs(share_lost(Link(bad=0.02, good=0.3, bad_loss=0.8)) - 0.05) < 0.015
    arrivals = [Link(delay_ms=50).pass_on(7, 1200) for _ in range(3)]
    assert arrivals == [7.05] * 3


def test_a_bottleneck_passes_what_it_can_and_drops_what_its_queue_does_not_hold():
    link = Link(rate=1_000_000, queue_ms=200)
    arrivals = [arrival for index in range(5000) if (arrival := link.pass_on(index / 500, 1250)) is not None]
    # 100 packets a second in ten seconds, and the queue of a fifth of a second.
    assert abs(len(arrivals) - 1020) <= 1 and link.dropped == 5000 - len(arrivals)
    assert max(arrival - index / 100 for index, arrival in enumerate(arrivals)) < 0.25


def test_jitter_keeps_the_order_and_reordering_does_not():
    steady = Link(delay_ms=20, jitter_ms=30)
    arrivals = [steady.pass_on(index / 1000, 100) for index in range(2000)]
    assert arrivals == sorted(arrivals) and max(arrivals[index] - index / 1000 for index in range(2000)) <= 0.0501
    late = Link(reorder=0.1, reorder_ms=30)
    arrivals = [late.pass_on(index / 1000, 100) for index in range(2000)]
    assert 100 < sum(arrivals[index] - index / 1000 > 0.02 for index in range(2000)) < 300


def test_how_far_flash_and_beep_have_come_apart_does_not_depend_on_which_flash_is_seen_last():
    # As seen of a camera that was slow: four and four in the program, five and four at the source.
    source, program = [61, 11, 60, 10, 59, 9, 58, 8, 57], [60, 20, 47, 7, 66, -9, 51, 11]
    assert abs(drift(program, source)) < 5
    for late in (-40, 40):
        assert abs(drift([skew + late for skew in program], source) - late) < 5
    assert abs(drift(source[1:], source)) <= 1 and abs(drift(source[:-1], source)) <= 1
