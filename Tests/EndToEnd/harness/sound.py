"""The decoded sound of the program: when beeps begin, how loud a tone is, and whether it clicks."""

import array
import math
import operator
import statistics

from .picture import run_decoder
from .probe import CLOCK, probe

RATE = 48_000
WINDOW = RATE // 1000  # a millisecond


def loudness(samples):
    """Returns the mean magnitude of each millisecond of 16-bit samples."""
    return [sum(map(abs, samples[at : at + WINDOW])) / WINDOW for at in range(0, len(samples) - WINDOW + 1, WINDOW)]


def decode_sound(path, start):
    """Decodes a segment's sound; returns (program time, magnitude) of each millisecond."""
    data = run_decoder(["-i", str(path), "-map", "0:a", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"])
    seen = probe(path)
    first = start + (min(packet.pts for packet in seen.audio) - seen.first_video) * 1000 / CLOCK
    return [(first + index, value) for index, value in enumerate(loudness(array.array("h", data)))]


def sound_between(decoded, begin, end):
    """Returns the sound of [begin, end) of a decoded program, as `decode_sound` does; waits for the segment of the end."""
    decoded.wait_for(end)
    found, record = [], decoded.record
    for segment in sorted(record.segments.copy().values(), key=lambda segment: segment.number):
        if segment.end > begin and segment.start < end and segment.number in record.files:
            found += decode_sound(record.files[segment.number], segment.start)
    return [sample for sample in found if begin <= sample[0] < end]


def onsets(samples, quiet_ms=300):
    """Returns the times at which it becomes loud after it was quiet for a while; `samples` are (ms, magnitude)."""
    loudest = max((value for _, value in samples), default=0)
    if loudest < 300:
        return []
    found, last_loud = [], None
    for time, value in samples:
        if value > loudest * 0.25:
            if last_loud is not None and time - last_loud > quiet_ms:
                found.append(time)
            last_loud = time
        elif last_loud is None:
            last_loud = time
    return found


def pair_up(flashes, beeps, limit_ms=400):
    """Returns how much each flash comes after the beep that belongs to it, in milliseconds."""
    pairs = ((flash, min(beeps, key=lambda beep: abs(beep - flash))) for flash in flashes if beeps)
    return [flash - beep for flash, beep in pairs if abs(flash - beep) <= limit_ms]


def drift(skews, source):
    """
    Returns by how many milliseconds more flashes come after their beeps than at the source.

    A camera that is slow shows every other flash later. Two in a row count as one, so that it is all the same with which kind each of
    the two begins, and how many of each there are.
    """
    twos = ([(one + other) / 2 for one, other in zip(values, values[1:])] for values in (skews, source))
    program, own = map(statistics.median, twos)
    return program - own


def waveform(decoded, begin, end):
    """Returns the 16-bit samples of [begin, end) of a decoded program, its segments decoded in one go; waits for that of the end."""
    decoded.wait_for(end)
    record = decoded.record
    # A decoder's first frame has nothing to overlap with.
    held = [
        segment for segment in sorted(record.segments.copy().values(), key=lambda segment: segment.number)
        if segment.end > begin - 100 and segment.start < end and segment.number in record.files
    ]  # fmt: skip
    first, files = held[0], [record.files[segment.number] for segment in held]
    joined = files[0].with_suffix(".joined.ts")
    joined.write_bytes(b"".join(file.read_bytes() for file in files))
    samples = array.array("h", run_decoder(["-i", str(joined), "-map", "0:a", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]))
    seen = probe(files[0])
    start = first.start + (min(packet.pts for packet in seen.audio) - seen.first_video) * 1000 / CLOCK
    assert start <= begin, f"the sound begins {start - begin:.0f} ms after what is asked for"
    return samples[round((begin - start) * RATE / 1000) : round((end - start) * RATE / 1000)]


def levels(samples, frequency, window_ms=50):
    """Returns the amplitude of a tone in each window, 1 at full scale; a window holds whole periods of it."""
    size = RATE * window_ms // 1000
    turns = [2 * math.pi * frequency * at / RATE for at in range(size)]
    sines, cosines = list(map(math.sin, turns)), list(map(math.cos, turns))
    found = []
    for at in range(0, len(samples) - size + 1, size):
        part = samples[at : at + size]
        found.append(math.hypot(sum(map(operator.mul, part, sines)), sum(map(operator.mul, part, cosines))) * 2 / size / 32768)
    return found


def decibels(value):
    return 20 * math.log10(max(value, 1e-6))


def sharpest_bend(samples):
    """Returns the largest second difference, 1 at full scale: large where it clicks, small in a low tone."""
    return max(abs(a - 2 * b + c) for a, b, c in zip(samples, samples[1:], samples[2:])) / 32768
