"""The decoded program: frames of a rung as small pictures with their program times, and what colours they show."""

import colorsys
import subprocess
from dataclasses import dataclass

from .probe import CLOCK, probe
from .waiting import wait_until

# One pixel for each unit of a layout's grid: a 16:9 canvas has 64 x 36 of them.
COLUMNS, ROWS = 64, 36
FRAME_MS = 1000 / 30
# Stamps stay what they are: at a guessed frame rate those of a segment in which pictures begin to be left out would collide.
AS_STAMPED = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")


@dataclass(frozen=True)
class Picture:
    """A frame in RGB."""

    width: int
    height: int
    data: bytes
    program_time: float = 0

    def mean(self, x, y, width=1, height=1):
        """Returns the mean colour of a rectangle in pixels; on a frame of the grid, in its units."""
        left, top = int(x), int(y)
        right, bottom = max(left + 1, int(x + width)), max(top + 1, int(y + height))
        sums, count = [0, 0, 0], 0
        for row in range(top, bottom):
            line = self.data[3 * (row * self.width + left) : 3 * (row * self.width + right)]
            for channel in range(3):
                sums[channel] += sum(line[channel::3])
            count += right - left
        return tuple(value / count for value in sums)

    def difference(self, other):
        """Returns the mean difference of the samples of two frames, 0 to 255."""
        return sum(abs(a - b) for a, b in zip(self.data, other.data)) / len(self.data)


def distance(colour, other):
    """Returns the largest difference of a channel."""
    return max(abs(a - b) for a, b in zip(colour, other))


def is_near(colour, other, tolerance=40):
    return distance(colour, other) <= tolerance


def colour_of(name):
    """Returns the ground of the test picture that /join draws for a name (assets/web/media.js)."""
    hue = 0
    for character in name:
        hue = (hue * 31 + ord(character)) % 360
    return tuple(255 * channel for channel in colorsys.hls_to_rgb(hue / 360, 0.28, 0.70))


def run_decoder(arguments):
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *arguments], capture_output=True, timeout=120
    )
    assert done.returncode == 0 and not done.stderr, f"{arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def decode_segment(path, start, width=COLUMNS, height=ROWS):
    """Decodes a segment that starts at a program time; returns its frames, scaled down by averaging."""
    data = run_decoder(
        ["-i", str(path), "-map", "0:v", *AS_STAMPED, "-vf", f"scale={width}:{height}:flags=area+full_chroma_int+full_chroma_inp",
         "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    )  # fmt: skip
    stamps = sorted(packet.pts for packet in probe(path).video)
    size = 3 * width * height
    assert len(data) == size * len(stamps), f"{path}: {len(data) / size} frames decoded of {len(stamps)}"
    return [
        Picture(width, height, data[size * index : size * (index + 1)], start + (stamp - stamps[0]) * 1000 / CLOCK)
        for index, stamp in enumerate(stamps)
    ]


def decode_still(data, width=COLUMNS, height=ROWS):
    """Decodes a JPEG file's bytes."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-f", "mjpeg", "-i", "-", "-frames:v", "1",
         "-vf", f"scale={width}:{height}:flags=area+full_chroma_int+full_chroma_inp", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
        input=data, capture_output=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0 and len(done.stdout) == 3 * width * height, done.stderr.decode(errors="replace")
    return Picture(width, height, done.stdout)


def cut_out(path, index, x, y, width, height):
    """Decodes one frame of a segment at full size and returns a rectangle of it, in pixels."""
    data = run_decoder(
        ["-i", str(path), "-map", "0:v", *AS_STAMPED, "-vf", f"select=eq(n\\,{index}),crop={width}:{height}:{x}:{y}", "-frames:v", "1",
         "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    )  # fmt: skip
    return Picture(width, height, data)


class DecodedProgram:
    """The frames of a rung that a recorder keeps, by program time; decodes what is asked for, once."""

    def __init__(self, recorder, rung="1920x1080"):
        self.recorder = recorder
        self.record = next(record for record in recorder.rungs if record.rung.name == rung)
        self._segments = {}

    def _covering(self, program_time):
        # A number is listed before its file is kept.
        segment = self.recorder.covering(program_time, self.record)
        return segment if segment is not None and segment.number in self.record.files else None

    def wait_for(self, program_time, seconds=30):
        """Waits until the segment of a program time is kept; returns it."""
        return wait_until(
            lambda: self._covering(program_time), seconds,
            lambda: f"no segment holds {program_time}; the last ends at "
            f"{max((segment.end for segment in self.record.segments.values()), default=None)}", 0.1,
        )  # fmt: skip

    def frames_of(self, segment):
        if segment.number not in self._segments:
            self._segments[segment.number] = decode_segment(self.record.files[segment.number], segment.start)
        return self._segments[segment.number]

    def between(self, begin, end):
        """Returns the frames of [begin, end) in order; waits for the segment of the end."""
        self.wait_for(end)
        found, time = [], begin
        while time < end:
            segment = self._covering(time)
            if segment is None:
                # A gap in the program: the next segment after it.
                later = [s for s in self.record.segments.copy().values() if s.start > time and s.number in self.record.files]
                if not later:
                    break
                segment = min(later, key=lambda candidate: candidate.start)
            found += [frame for frame in self.frames_of(segment) if begin <= frame.program_time < end]
            time = segment.end
        return found

    def at(self, program_time):
        """Returns the frame that is out at a program time: it stays until the next one, of which a busy machine leaves some out."""
        # A key frame comes every two seconds, whatever is left out.
        frames = self.between(program_time - 2100, program_time + FRAME_MS / 2)
        assert frames, f"no frame before {program_time}"
        return frames[-1]

    def full_size(self, program_time, rect):
        """Returns a rectangle (in grid units) of the frame at a program time, in full resolution."""
        segment = self.wait_for(program_time)
        index = sum(frame.program_time < program_time + FRAME_MS / 2 for frame in self.frames_of(segment)[1:])
        unit = self.record.rung.height // ROWS
        x, y, width, height = (int(value * unit) & ~1 for value in rect)
        return cut_out(self.record.files[segment.number], index, x, y, width, height)


def first_change(frames, condition):
    """Returns the program time of the first frame for which the condition holds, and of the last before it for which not."""
    for before, frame in zip([None, *frames], frames):
        if condition(frame):
            return frame.program_time, before.program_time if before else None
    return None, frames[-1].program_time if frames else None


def rising_edges(samples):
    """Returns the times at which values go from dark to bright; `samples` are (time, value) in order."""
    values = sorted(value for _, value in samples)
    if not values:
        return []
    # The dark level is the most common one; what is bright is rare and may be a sample or two.
    dark, bright = values[len(values) // 3], values[-1 - len(values) // 100]
    threshold = (dark + bright) / 2
    if bright - dark < 20:
        return []
    return [
        time for (_, before), (time, value) in zip(samples, samples[1:]) if before <= threshold < value
    ]  # fmt: skip


# Where the layouts put their tiles, by what layouts/*.json and the documents say, not by the compositor's code.


def tiles(slot, count, direction, gap=0.7, shape=16 / 9):
    """Returns the rectangles of `count` tiles in a slot, in grid units, as [x, y, width, height]."""
    x, y, width, height = slot

    def size(columns):
        rows = -(-count // columns)
        fitted = min((width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows * shape)
        return fitted, rows

    columns = {"row": count, "column": 1}.get(direction) or max(
        range(1, count + 1), key=lambda candidate: (round(size(candidate)[0], 6), -candidate)
    )
    tile, rows = size(columns)
    tall = tile / shape
    top = y + (height - rows * tall - (rows - 1) * gap) / 2
    found = []
    for index in range(count):
        row = index // columns
        in_row = min(columns, count - row * columns)
        left = x + (width - in_row * tile - (in_row - 1) * gap) / 2
        found.append((left + index % columns * (tile + gap), top + row * (tall + gap), tile, tall))
    return found


def inner(rect, x0, y0, x1, y1):
    """Returns a part of a rectangle; the parts are fractions of its sides."""
    x, y, width, height = rect
    return x + x0 * width, y + y0 * height, (x1 - x0) * width, (y1 - y0) * height
