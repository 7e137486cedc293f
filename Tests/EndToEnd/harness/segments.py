"""What every segment of every rung must keep to, whoever made the program: `found` is {rung name: {number: (segment, probe)}}."""

from .probe import CLOCK, decode_errors, probe

# Nominal video bit rates in bit/s, by size.
LADDER = {"640x360": 1.0e6, "768x432": 1.5e6, "960x540": 1.8e6, "1280x720": 2.3e6, "1920x1080": 4.0e6}
TOP = "1920x1080"
GRID_MS = 6000
FRAME_MS = 1000 / 30


def probe_all(recorder, numbers):
    """Looks at the segments of these numbers in every rung."""
    return {
        record.rung.name: {number: (record.segments[number], probe(record.files[number])) for number in numbers}
        for record in recorder.rungs
    }


def check_starts_and_sizes(segments):
    """Every segment starts with a key frame, has its rung's size, and sound."""
    for name, found in segments.items():
        for number, (_, seen) in found.items():
            assert f"{seen.width}x{seen.height}" == name, f"{name} {number}"
            assert seen.video[0].is_key, f"{name} {number} does not start with a key frame"
            assert seen.video[0].pts == seen.first_video, f"{name} {number}: a frame before the key frame"
            assert seen.audio, f"{name} {number} has no audio"


def check_same_cuts(segments):
    """Every rung is cut at the same stamps, and listed with the same times."""
    cuts = {name: {number: seen.first_video for number, (_, seen) in found.items()} for name, found in segments.items()}
    for name, found in cuts.items():
        assert found == cuts[TOP], f"{name} is cut elsewhere than the top rung"
    listed = {name: {n: (s.start, s.duration_ms) for n, (s, _) in found.items()} for name, found in segments.items()}
    for name, found in listed.items():
        assert found == listed[TOP], f"{name} is listed with other times than the top rung"


def check_no_gap(segments, video_limit_ms=100):
    """Pictures and sound go on from segment to segment, and EXTINF is what was cut."""
    for name, found in segments.items():
        numbers = sorted(found)
        for kind, limit_ms in (("video", video_limit_ms), ("audio", 70)):
            stamps = sorted(packet.pts for number in numbers for packet in getattr(found[number][1], kind))
            assert len(stamps) == len(set(stamps)), f"{name}: two {kind} packets with one stamp"
            widest = max(later - earlier for earlier, later in zip(stamps, stamps[1:])) * 1000 / CLOCK
            assert widest <= limit_ms, f"{name}: a {kind} gap of {widest:.0f} ms"
        for number, following in zip(numbers, numbers[1:]):
            cut = (found[following][1].first_video - found[number][1].first_video) * 1000 / CLOCK
            duration = found[number][0].duration_ms
            assert abs(cut - duration) <= 1.5, f"{name} {number}: EXTINF {duration} ms, cut after {cut:.1f} ms"


def off_grid(start, grid_ms=GRID_MS):
    return min(start % grid_ms, grid_ms - start % grid_ms)


def check_grid(segments):
    """Segments start where the grid says, and program time and stamps keep together."""
    for name, found in segments.items():
        numbers = sorted(found)
        # The first segment starts where the program did; every later one where the grid says.
        widest = max(off_grid(found[number][0].start) for number in numbers[1:])
        assert widest <= FRAME_MS / 2, f"{name}: off the grid by {widest} ms"
        anchors = [found[number][0].start - found[number][1].first_video * 1000 / CLOCK for number in numbers]
        spread = max(anchors) - min(anchors)
        print(f"{name}: off the grid by at most {widest:.1f} ms, anchor spread {spread:.2f} ms")
        assert spread <= 1.5, f"{name}: program time and stamps drift by {spread:.1f} ms"


def check_bit_rates(segments, recorder):
    """Averages stay below 1.1, peaks below 1.25 of the nominal rate, and whole segments below what the playlist says."""
    records = {record.rung.name: record for record in recorder.rungs}
    for name, found in segments.items():
        whole = {number: pair for number, pair in found.items() if pair[0].duration_ms >= GRID_MS / 2}
        seconds = sum(segment.duration_ms for segment, _ in whole.values()) / 1000
        average = sum(seen.video_bytes for _, seen in whole.values()) * 8 / seconds
        peak = max(seen.video_bytes * 8000 / segment.duration_ms for segment, seen in whole.values())
        nominal = LADDER[name]
        print(f"{name}: video {average / 1e6:.2f} Mbit/s on average, {peak / 1e6:.2f} at most, nominal {nominal / 1e6}")
        assert average <= 1.1 * nominal and peak <= 1.25 * nominal, name
        files = records[name].files
        total = max(files[n].stat().st_size * 8000 / segment.duration_ms for n, (segment, _) in whole.items())
        assert total <= 1.25 * records[name].rung.bandwidth, f"{name}: {total / 1e6:.2f} Mbit/s in one segment"


def check_decodes_alone(segments, recorder):
    """A segment in the middle decodes without the ones before it."""
    for record in recorder.rungs:
        number = sorted(segments[record.rung.name])[1]
        assert decode_errors(record.files[number]) == "", f"{record.rung.name} {number}"


def check_continuity(recorder):
    """No number is left out, program time only grows, and discontinuities stand at the same numbers in every rung."""
    marked = {}
    for record in recorder.rungs:
        numbers = sorted(record.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"{record.rung.name}: a number was left out"
        times = [record.segments[number].start for number in numbers]
        assert times == sorted(set(times)), f"{record.rung.name}: program time went back"
        marked[record.rung.name] = [number for number in numbers if record.segments[number].discontinuity]
    assert len({tuple(numbers) for numbers in marked.values()}) == 1, f"discontinuities at different numbers: {marked}"
    recorder.assert_clean()
    return next(iter(marked.values()))
