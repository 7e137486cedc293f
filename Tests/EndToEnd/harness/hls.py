"""A player's view of HLS: playlists read by the letter of RFC 8216, and a recorder that fetches all that is listed."""

import re
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import requests

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True)
class Rung:
    """A variant of the master playlist."""

    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str
    url: str

    @property
    def name(self):
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Segment:
    """A listed segment; `start` is its program time in milliseconds."""

    number: int
    url: str
    duration_ms: float
    start: float
    discontinuity: bool

    @property
    def end(self):
        return self.start + self.duration_ms


@dataclass(frozen=True)
class Playlist:
    """A media playlist as it stood at one moment."""

    target_duration: int
    first: int
    discontinuity_sequence: int
    ended: bool
    segments: tuple

    @property
    def last(self):
        return self.first + len(self.segments) - 1


def attributes(line):
    return {name: value.strip('"') for name, value in ATTRIBUTE.findall(line.partition(":")[2])}


def parse_master(text, url):
    """Reads a master playlist, and checks its required tags."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "#EXTM3U", lines[:1]
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in lines, "the master playlist lacks EXT-X-INDEPENDENT-SEGMENTS"
    rungs = []
    for line, following in zip(lines, lines[1:]):
        if not line.startswith("#EXT-X-STREAM-INF:"):
            continue
        given = attributes(line)
        width, height = given["RESOLUTION"].split("x")
        assert given["FRAME-RATE"], "a variant without FRAME-RATE"
        rungs.append(
            Rung(
                int(width), int(height), int(given["BANDWIDTH"]), int(given["AVERAGE-BANDWIDTH"]), given["CODECS"],
                urllib.parse.urljoin(url, following),
            )
        )
    return rungs


def parse_media(text, url):
    """Reads a media playlist; a live one names its numbers, its discontinuities and the time of every segment."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "#EXTM3U", lines[:1]
    tags = dict(line.partition(":")[::2] for line in lines if line.startswith("#EXT-X-"))
    for tag in ("#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"):
        assert tag in tags, f"{url} lacks {tag}"
    first = int(tags["#EXT-X-MEDIA-SEQUENCE"])
    segments, duration, start, discontinuity = [], None, None, False
    for line in lines:
        if line.startswith("#EXTINF:"):
            duration = float(line[len("#EXTINF:") :].split(",")[0]) * 1000
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            stamp = line.partition(":")[2]
            start = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000
        elif line == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif not line.startswith("#"):
            assert duration is not None, f"{line} without EXTINF"
            assert start is not None, f"{line} without EXT-X-PROGRAM-DATE-TIME"
            segments.append(
                Segment(first + len(segments), urllib.parse.urljoin(url, line), duration, start, discontinuity)
            )
            duration, start, discontinuity = None, None, False
    target = int(tags["#EXT-X-TARGETDURATION"])
    for segment in segments:
        assert round(segment.duration_ms / 1000) <= target, f"{segment.url} is longer than the target duration"
    return Playlist(
        target, first, int(tags["#EXT-X-DISCONTINUITY-SEQUENCE"]), "#EXT-X-ENDLIST" in lines, tuple(segments)
    )


class Viewer:
    """Fetches what lies behind the signed cookies."""

    def __init__(self, studio, cookies=None):
        self.studio = studio
        self.cookies = cookies or {}
        self._connections = threading.local()

    @classmethod
    def of(cls, api, event):
        """Asks for playback; returns a viewer with its cookies, and the answer."""
        response = api.post(f"/v1/events/{event}/playback", expect=200)
        cookies = {}
        for header in response.raw.headers.getlist("Set-Cookie"):
            pair, *rest = [part.strip() for part in header.split(";")]
            name, _, value = pair.partition("=")
            if name.startswith("CloudFront-"):
                flags = {part.lower() for part in rest}
                assert "secure" in flags and "httponly" in flags, header
                cookies[name] = value
        return cls(api.studio, cookies), response.json()

    def fetch(self, url, timeout=30, **options):
        """Fetches a URL on this thread's own connection."""
        if not hasattr(self._connections, "session"):
            session = self._connections.session = requests.Session()
            session.trust_env = False
            session.verify = str(self.studio.certificate)
        headers = options.pop("headers", {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return self._connections.session.get(url, headers=headers, timeout=timeout, **options)

    def master(self, url):
        response = self.fetch(url)
        assert response.status_code == 200, f"{url}: {response.status_code} {response.text[:200]}"
        return parse_master(response.text, url)

    def media(self, url):
        response = self.fetch(url)
        assert response.status_code == 200, f"{url}: {response.status_code} {response.text[:200]}"
        return parse_media(response.text, url)


@dataclass
class RungRecord:
    """What the recorder saw of one rung."""

    rung: Rung
    segments: dict = field(default_factory=dict)  # by number
    files: dict = field(default_factory=dict)  # by number
    listed_at: dict = field(default_factory=dict)  # by number: wall time of the first answer that lists it
    absent_at: dict = field(default_factory=dict)  # by number: wall time at which it was last known not to be listed
    playlist: Playlist = None


class Recorder:
    """Polls every rung and fetches every segment as soon as it is listed; keeps what breaks the rules."""

    def __init__(self, viewer, master_url, folder):
        self.viewer = viewer
        self.rungs = [RungRecord(rung) for rung in viewer.master(master_url)]
        self.folder = Path(folder)
        self.violations = []
        self.outages = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stopping.set()
        self._thread.join(60)

    def _run(self):
        while not self._stopping.is_set():
            for record in self.rungs:
                try:
                    self._look(record)
                except requests.RequestException:
                    # The listener may be away while Output starts again; what an answer says counts, silence does not.
                    self.outages += 1
                except Exception as error:  # noqa: BLE001  reported by the test that reads the violations
                    self._violation(f"{record.rung.name}: {type(error).__name__}: {error}")
            self._stopping.wait(0.1)

    def _violation(self, text):
        if text not in self.violations:
            self.violations.append(text)

    def _look(self, record):
        asked = time.time()
        response = self.viewer.fetch(record.rung.url)
        answered = time.time()
        if response.status_code != 200:
            self._violation(f"{record.rung.url}: {response.status_code}")
            return
        playlist = parse_media(response.text, record.rung.url)
        before = record.playlist
        if before is not None:
            self._compare(record, before, playlist)
        for segment in playlist.segments:
            if segment.number in record.segments:
                continue
            record.segments[segment.number] = segment
            record.listed_at[segment.number] = answered
            self._fetch(record, segment)
        record.absent_at[playlist.last + 1] = asked
        record.playlist = playlist

    def _compare(self, record, before, now):
        name = record.rung.name
        if now.first < before.first or now.last < before.last:
            self._violation(f"{name}: numbers went back from {before.first}..{before.last} to {now.first}..{now.last}")
        if now.target_duration != before.target_duration:
            self._violation(f"{name}: the target duration changed")
        gone = sum(segment.discontinuity for segment in before.segments if segment.number < now.first)
        if now.first <= before.last and now.discontinuity_sequence != before.discontinuity_sequence + gone:
            self._violation(
                f"{name}: {gone} discontinuities left, the sequence went from {before.discontinuity_sequence} to "
                f"{now.discontinuity_sequence}"
            )
        old = {segment.number: segment for segment in before.segments}
        for segment in now.segments:
            known = old.get(segment.number)
            if known is not None and known != segment:
                self._violation(f"{name}: segment {segment.number} changed from {known} to {segment}")

    def _fetch(self, record, segment):
        response = self.viewer.fetch(segment.url)
        if response.status_code != 200:
            self._violation(f"{segment.url} is listed and answers {response.status_code}")
            return
        path = self.folder / f"{record.rung.name}-{segment.number}.ts"
        path.write_bytes(response.content)
        record.files[segment.number] = path

    def assert_clean(self):
        assert not self.violations, "\n".join(self.violations)

    def complete_numbers(self):
        """Returns the numbers of which every rung has the segment."""
        return sorted(set.intersection(*(set(record.files) for record in self.rungs)))

    def covering(self, program_time, record=None):
        """Returns the segment that holds a program time, or None."""
        for segment in (record or self.rungs[-1]).segments.copy().values():
            if segment.start <= program_time < segment.end:
                return segment
        return None

    def known_absent_until(self, number):
        """Returns the wall time until which no rung listed the segment."""
        return max(record.absent_at.get(number, 0) for record in self.rungs)
