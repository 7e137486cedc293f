"""Whether it stays as it is: the demo for an hour, looked at every ten seconds.

Prints how evenly pictures reach the encoder, how old cameras' pictures are there and in the stream, frames late, missed, dropped and left
out, the memory of each process with its slope, and how far flash and beep of one speaker are apart at the start and at the end.
"""

import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

from studio.installation import Failure, run_benchmark

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tests/EndToEnd"))
from harness.picture import decode_segment, rising_edges  # noqa: E402
from harness.sound import decode_sound, onsets, pair_up  # noqa: E402

FRAMES = ("emitted", "late", "missed", "dropped", "repeated", "left_out")
PREFIX = "proscenium_compositor_"
HISTOGRAMS = {
    "frame_interval": "between pictures at the encoder", "camera_to_encoder": "a camera's picture at the encoder",
    "camera_to_stream": "a camera's picture in the stream",
}  # fmt: skip


def segments_of(installation, url, cookies):
    """Returns (program time, duration, address) of the segments that a playlist lists, in milliseconds."""
    found, start, duration = [], None, None
    for line in installation.fetch(url, headers=cookies)[2].decode().splitlines():
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            start = datetime.fromisoformat(line.partition(":")[2].replace("Z", "+00:00")).timestamp() * 1000
        elif line.startswith("#EXTINF:"):
            duration = float(line[8:].split(",")[0]) * 1000
        elif line and not line.startswith("#"):
            found.append((start, duration, url.rsplit("/", 1)[0] + "/" + line))
    return found


def measure_skew(installation, folder):
    """Returns how long after its beep the flash of the one speaker on the whole picture is seen, in milliseconds."""
    deadline, was_full = time.monotonic() + 100, True
    while True:
        is_full = (installation.call("GET", "/program")[2] or {}).get("layout") == "full"
        if is_full and not was_full:
            break
        was_full = is_full
        if time.monotonic() > deadline:
            raise Failure("the demo shows no speaker alone")
        time.sleep(0.5)
    program = installation.call("GET", "/program")[2]
    shown = {source.partition(":")[2] for source in program["slots"].values() if isinstance(source, str)}
    others = [person["id"] for person in installation.call("GET", "/participants")[2]["items"] if person["id"] not in shown]
    for person in others:
        installation.call("PATCH", f"/participants/{person}", {"muted": True})
    began = time.time() * 1000 + 2000
    try:
        time.sleep(16)
    finally:
        for person in others:
            installation.call("PATCH", f"/participants/{person}", {"muted": False})
    deadline, kept = time.monotonic() + 40, []
    playlists, cookies = installation.playlists()
    while time.monotonic() < deadline:
        listed = segments_of(installation, playlists[-1], cookies)
        kept = [segment for segment in listed if segment[0] >= began - 6000 and segment[0] < began + 14_000]
        if listed and listed[-1][0] + listed[-1][1] > began + 14_000:
            break
        time.sleep(0.5)
    lights, sounds = [], []
    for start, _, address in kept:
        path = folder / "segment.ts"
        path.write_bytes(installation.fetch(address, headers=cookies)[2])
        lights += [(frame.program_time, frame.mean(0, 0, frame.width, frame.height)[0]) for frame in decode_segment(path, start)]
        sounds += decode_sound(path, start)
    inside = range(int(began), int(began + 13_500))
    flashes = rising_edges([(moment, value) for moment, value in lights if int(moment) in inside])
    skews = pair_up(flashes, onsets([(moment, value) for moment, value in sounds if int(moment) in inside]))
    if len(skews) < 5:
        raise Failure(f"only {len(skews)} flashes with a beep were found")
    return statistics.median(skews)


def slope(points):
    """Returns the rise per hour of the line that fits (seconds, value) best."""
    if len(points) < 3:
        return 0.0
    mean_x, mean_y = (statistics.fmean(axis) for axis in zip(*points))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def histogram(went, name):
    """Returns [(bound in ms, count)] of a bucketed series, not summed up."""
    prefix = f"{PREFIX}{name}_seconds_bucket<="
    sums = sorted((float(key.removeprefix(prefix)) * 1000, went[key]) for key in went if key.startswith(prefix))
    return [(bound, count - (sums[index - 1][1] if index else 0)) for index, (bound, count) in enumerate(sums)]


def quantile(buckets, part):
    """Returns the upper bound of the bucket in which a part of all lies."""
    total, seen = sum(count for _, count in buckets), 0
    for bound, count in buckets:
        seen += count
        if total and seen >= part * total:
            return bound
    return 0.0


def roles(processes):
    """Names processes as `role (pid)`, for an error."""
    return ", ".join(f"{role} ({pid})" for pid, (role, _, _) in processes.items())


def watch(installation, seconds):
    """Looks on; returns how far the counters went, and by role the memory at each look. Tells how it goes once a minute."""
    began, before, memory, told = time.monotonic(), installation.counters(), {}, 0
    first = installation.processes()
    while True:
        processes = installation.processes()
        if processes.keys() != first.keys():
            raise Failure(f"a process was started anew or ended: first {roles(first)}; then {roles(processes)}")
        passed = time.monotonic() - began
        for role, _, resident in processes.values():
            memory.setdefault(role, []).append((passed, resident))
        if passed >= seconds:
            break
        if passed // 60 > told:
            told = passed // 60
            tell(passed, went_since(before, installation.counters()), memory)
        time.sleep(min(10, max(0.1, seconds - passed)))
    return went_since(before, installation.counters()), memory


def went_since(before, after):
    """Returns how far each counter went."""
    return {name: after[name] - before.get(name, 0) for name in after}


def tell(passed, went, memory):
    """Says on the error output how it goes, so that a run that ends early has told something."""
    frames = ", ".join(f"{went[f'{PREFIX}frames_{name}_total']:.0f} {name.replace('_', ' ')}" for name in FRAMES)
    resident = ", ".join(f"{role} {points[-1][1]:.0f} MB" for role, points in sorted(memory.items()))
    late = quantile(histogram(went, "camera_to_encoder"), 0.99)
    print(f"{passed / 60:.0f} min: frames {frames}; camera to encoder p99 ≤ {late:.0f} ms; {resident}", file=sys.stderr)


def report(went, memory, skews):
    """Prints the tables, and returns what the last line says."""
    frames = {name: int(went[f"{PREFIX}frames_{name}_total"]) for name in FRAMES}
    print("frames:", ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in frames.items()))
    for name, title in HISTOGRAMS.items():
        buckets = histogram(went, name)
        print(f"{title}: p50 ≤ {quantile(buckets, 0.5):.0f} ms, p99 ≤ {quantile(buckets, 0.99):.0f} ms")
        print("   " + ", ".join(f"≤ {bound:.0f} ms: {count:.0f}" for bound, count in buckets if count))
    print(f"\n{'process':<14}{'MB at first':>13}{'MB at last':>12}{'MB an hour':>12}")
    # What the first minutes fill (caches, pools) is no leak.
    settled = {role: [point for point in points if point[0] >= points[-1][0] / 4] for role, points in memory.items()}
    for role, points in sorted(memory.items()):
        print(f"{role:<14}{points[0][1]:>13.0f}{points[-1][1]:>12.0f}{slope(settled[role]):>12.1f}")
    print(f"\nflash after beep: {skews[0]:+.1f} ms at the start, {skews[1]:+.1f} ms at the end")
    compositor = settled.get("compositor", [])
    return {
        "missedFrames": frames["missed"], "lateFrames": frames["late"],
        "intervalP99Ms": quantile(histogram(went, "frame_interval"), 0.99),
        "cameraToEncoderP99Ms": quantile(histogram(went, "camera_to_encoder"), 0.99),
        "cameraToStreamP99Ms": quantile(histogram(went, "camera_to_stream"), 0.99),
        "compositorMBPerHour": round(slope(compositor), 1), "rssMB": round(max(value for _, value in compositor)),
        "skewStartMs": round(skews[0], 1), "skewEndMs": round(skews[1], 1),
    }  # fmt: skip


def run(installation, warm_up, seconds, folder):
    installation.wait_segments()
    time.sleep(warm_up)
    first = measure_skew(installation, folder)
    went, memory = watch(installation, seconds)
    try:
        last, failure = measure_skew(installation, folder), None
    except Failure as error:
        last, failure = float("nan"), error
    # What an hour has shown is told before it is said that its end could not be measured.
    result = report(went, memory, (first, last))
    if failure is not None:
        raise Failure(f"at the end {failure}; until then {result}")
    return result


if __name__ == "__main__":
    sys.exit(run_benchmark("soak", __doc__, 3600, run))
