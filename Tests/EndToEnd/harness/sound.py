"""The decoded sound of the program: when beeps begin."""

import array

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
