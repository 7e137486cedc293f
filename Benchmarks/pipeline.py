"""What the whole line costs: three synthetic speakers, compositor, ladder, HLS, on one machine.

Starts `proscenium serve --demo` with a data folder and ports of its own, waits for the first segments, lets it warm up, and then
measures for a minute: CPU seconds per media second and memory of each process, and frames late, repeated, dropped and missed.
"""

import os
import sys
import time

from studio.installation import Failure, run_benchmark

COMPOSITOR = ("emitted", "late", "missed", "dropped", "repeated")
SPEAKERS = "demo"


def measure(installation, seconds):
    """Returns the CPU seconds per second and the memory of each process, and how far each counter went."""
    began, before, counted = time.monotonic(), installation.processes(), installation.counters()
    time.sleep(seconds)
    ended, after, counters = time.monotonic(), installation.processes(), installation.counters()
    changed = before.keys() ^ after.keys()
    if changed:
        roles = sorted({(before | after)[pid][0] for pid in changed})
        raise Failure(f"started anew or ended while it was measured: {', '.join(roles)}")
    rows = []
    for pid, (role, used, memory) in after.items():
        rows.append((role, (used - before[pid][1]) / (ended - began), memory))
    went = {name: counters[name] - counted.get(name, 0) for name in counters}
    return sorted(rows, key=lambda row: -row[1]), went, ended - began


def report(first, rows, went, seconds):
    """Prints the table, and returns what the last line says."""
    for name in COMPOSITOR:
        if f"proscenium_compositor_frames_{name}_total" not in went:
            raise Failure(f"/metrics has no proscenium_compositor_frames_{name}_total: no compositor runs")
    compositor = {name: int(went[f"proscenium_compositor_frames_{name}_total"]) for name in COMPOSITOR}
    print(f"first segment in every playlist after {first:.1f} s; then {seconds:.0f} s of media on {os.cpu_count()} CPUs\n")
    print(f"{'process':<14}{'CPU s per media s':>19}{'memory, MB':>13}")
    for role, cores, memory in rows:
        print(f"{role:<14}{cores:>19.3f}{memory:>13.0f}")
    print("\ncompositor's frames:", ", ".join(f"{count} {name}" for name, count in compositor.items()))
    prefix, suffix = "proscenium_output_frames_", "_total"
    output = {
        name.removeprefix(prefix).removesuffix(suffix): int(count)
        for name, count in sorted(went.items()) if name.startswith(prefix)
    }  # fmt: skip
    print("output's frames:    ", ", ".join(f"{count} {name}" for name, count in output.items()))
    ours = [row for row in rows if row[0] != SPEAKERS]
    return {
        "missedFrames": compositor["missed"],
        "lateFrames": compositor["late"],
        "cores": round(sum(cores for _, cores, _ in ours), 3),
        "coresWithSpeakers": round(sum(cores for _, cores, _ in rows), 3),
        "rssMB": round(sum(memory for _, _, memory in ours)),
        "firstSegmentSeconds": round(first, 1),
    }


def run(installation, warm_up, seconds, _):
    first = installation.wait_segments()
    time.sleep(warm_up)
    return report(first, *measure(installation, seconds))


if __name__ == "__main__":
    sys.exit(run_benchmark("pipeline", __doc__, 60, run))
