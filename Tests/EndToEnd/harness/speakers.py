"""Speakers as outside programs make them: aiortc by WHIP, the raw signalling of the pages, and what a page has received."""

import array
import asyncio
import fractions
import json
import math
import threading
import time
import urllib.parse

import aioice.ice
import aiortc
import av
import websocket

from .waiting import PATIENCE, wait_until

# Only loopback: a machine without any other interface has speakers too.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []


class Picture(aiortc.VideoStreamTrack):
    """A bar that moves over a grey ground, 320 × 180 at the pace of aiortc."""

    async def recv(self):
        timestamp, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 180, "yuv420p")
        left = timestamp // 1500 % 280
        dark, bar = bytes([96]) * frame.planes[0].line_size, bytearray([96]) * frame.planes[0].line_size
        bar[left : left + 40] = bytes([220]) * 40
        frame.planes[0].update(dark * 40 + bytes(bar) * 100 + dark * 40)
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = timestamp, time_base
        return frame


class Tone(aiortc.AudioStreamTrack):
    """A tone of 440 Hz, in frames of 20 ms."""

    frequency = 440

    def __init__(self):
        super().__init__()
        self._samples = 0
        self._begin = None

    async def recv(self):
        if self._begin is None:
            self._begin = time.monotonic()
        await asyncio.sleep(max(0, self._begin + self._samples / 48_000 - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        phases = ((self._samples + index) * (2 * math.pi * self.frequency / 48_000) for index in range(960))
        samples = array.array("h", (int(12_000 * math.sin(phase)) for phase in phases)).tobytes()
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._samples, fractions.Fraction(1, 48_000)
        self._samples += 960
        return frame


class Ground(aiortc.VideoStreamTrack):
    """A green ground with a bar that moves, 320 x 180, until it freezes: then no picture comes, and nothing ends."""

    rgb = (12, 195, 24)
    luma, blue, red = 120, 80, 60

    def __init__(self):
        super().__init__()
        self.is_frozen = threading.Event()

    async def recv(self):
        while self.is_frozen.is_set():
            await asyncio.sleep(0.05)
        timestamp, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 180, "yuv420p")
        line = frame.planes[0].line_size
        left = timestamp // 1500 % 280
        plain, bar = bytes([self.luma]) * line, bytearray([self.luma]) * line
        bar[left : left + 40] = bytes([235]) * 40
        frame.planes[0].update(plain * 30 + bytes(bar) * 90 + plain * 60)
        for plane, value in zip(frame.planes[1:], (self.blue, self.red)):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = timestamp, time_base
        return frame


class WhipSpeaker:
    """Publishes pictures and Opus by WHIP (RFC 9725) from a thread with a loop of its own; `tracks` are made in that loop."""

    def __init__(self, api, event, tracks=(Tone, Picture), video="VP8"):
        self.video = video
        self.api, self.path = api, f"/v1/events/{event}/whip"
        self.kinds, self.tracks = tracks, []
        self.location = self.connection = self.answer = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aiortc", daemon=True)
        self._thread.start()

    def _run(self, work, seconds=60):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def publish(self):
        """Offers, posts the offer, takes the answer, and waits until the connection stands."""
        offer = self._run(self._offer())
        answer = self.api.request("POST", self.path, data=offer, headers={"Content-Type": "application/sdp"}, expect=201)
        assert answer.headers["Content-Type"].split(";")[0] == "application/sdp", answer.headers
        self.answer = answer
        self.location = answer.headers["Location"].removeprefix(self.api.studio.origin)
        self._run(self.connection.setRemoteDescription(aiortc.RTCSessionDescription(answer.text, "answer")))
        wait_until(lambda: self.connection.connectionState == "connected", 15, lambda: self.connection.connectionState)
        return self

    async def _offer(self):
        self.connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.tracks = [kind() for kind in self.kinds]
        for track in self.tracks:
            self.connection.addTrack(track)
        known = aiortc.RTCRtpSender.getCapabilities("video").codecs
        wanted = [codec for codec in known if codec.mimeType in (f"video/{self.video}", "video/rtx")]
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences(wanted)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    def sent(self):
        """Returns the packets sent so far, by kind."""
        reports = self._run(self.connection.getStats()).values()
        return {report.kind: report.packetsSent for report in reports if report.type == "outbound-rtp"}

    def master_keys(self):
        """Returns the keys and salts of SRTP in both directions by name, as this end derives them, too (RFC 5764 section 4.2)."""
        # aiortc keeps them to itself.
        connection = self.connection.getSenders()[0].transport._ssl
        key, salt = 16, 12 if connection.get_selected_srtp_profile() == b"SRTP_AEAD_AES_128_GCM" else 14
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        names = {"the client's key": key, "the server's key": key, "the client's salt": salt, "the server's salt": salt}
        found = {}
        for name, size in names.items():
            found[name], material = material[:size], material[size:]
        return found

    def leave(self):
        """Ends the session as WHIP says: by DELETE of its address."""
        return self.api.request("DELETE", self.location, expect=(200, 204))

    def close(self):
        if self.connection is not None:
            self._run(self.connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RoomSocket:
    """The pages' signalling without a page; a refused handshake raises `websocket.WebSocketBadStatusException`."""

    def __init__(self, api, event, ticket=None):
        if ticket is None:
            ticket = api.ticket(event, expect=(200, 201)).json()["ticket"]
        studio = api.studio
        query = urllib.parse.urlencode({"ticket": ticket})
        self.socket = websocket.create_connection(
            f"wss://{studio.host}:{studio.ports['https']}/v1/events/{event}/rtc?{query}", timeout=60,
            origin=studio.origin, sslopt={"ca_certs": str(studio.certificate)},
        )  # fmt: skip
        self.last_id = 0
        self._passed = []

    def receive(self, condition, seconds=10):
        """Returns the next message for which the condition holds; others are kept for whoever asks for them."""
        for index, message in enumerate(self._passed):
            if condition(message):
                return self._passed.pop(index)
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.05, deadline - time.monotonic()))
            try:
                message = json.loads(self.socket.recv())
            except websocket.WebSocketTimeoutException:
                break
            if condition(message):
                return message
            self._passed.append(message)
        raise AssertionError(f"no such message within {seconds} s; came: {self._passed}")

    def ask(self, body):
        """Sends a request and returns its reply."""
        self.last_id += 1
        number = self.last_id
        self.socket.send(json.dumps({"id": number} | body))
        return self.receive(lambda message: message.get("id") == number)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


RECEIVED = """
const done = arguments[arguments.length - 1];
(async () => {
    const page = window.proscenium, connection = page.subscribeConnection;
    if (!connection) return [];
    const tracks = new Map(page.received.map((track) => [track.mid, track]));
    return [...(await connection.getStats()).values()]
        .filter((report) => report.type === "inbound-rtp" && tracks.has(report.mid))
        .map((report) => ({...report, ...tracks.get(report.mid)}));
})().then(done, (error) => done({failed: String(error)}));
"""


# Of a browser that has too little time for its pictures.
KEEP_SIZES = """
const done = arguments[0];
(async () => {
    const sender = window.proscenium.publishConnection.getSenders().find(({track}) => track?.kind === "video");
    await sender.setParameters({...sender.getParameters(), degradationPreference: "maintain-resolution"});
    done(sender.getParameters().degradationPreference);
})().catch((error) => done(String(error)));
"""


class Growth:
    """By how much a page's counter grows; with other keys comes another connection, which counts from nothing."""

    def __init__(self, read):
        self.read, self.last, self.total = read, read(), 0

    def __call__(self):
        # Nothing at all is a moment without a connection.
        if count := self.read():
            self.total += count - self.last if count >= self.last else count
            self.last = count
        return self.total


class Page:
    """A browser on /join: what it says of itself, and what it has received by getStats()."""

    def __init__(self, driver):
        self.driver = driver

    def value(self, expression):
        return self.driver.execute_script(f"return {expression}")

    @property
    def participant(self):
        return self.value("window.proscenium.participant")

    def keep_sizes(self):
        """Lets Chromium send fewer pictures where the machine is short of time, and not smaller ones or fewer layers."""
        kept = self.driver.execute_async_script(KEEP_SIZES)
        assert kept == "maintain-resolution", kept

    def received(self, participant, source):
        """Returns the inbound-rtp report of one track, empty while there is none."""
        reports = self.driver.execute_async_script(RECEIVED)
        assert isinstance(reports, list), reports
        wanted = (report for report in reports if (report["participant"], report["source"]) == (participant, source))
        return next(wanted, {})

    def frames(self, participant, source="camera"):
        return self.received(participant, source).get("framesDecoded", 0)

    def energy(self, participant):
        return self.received(participant, "microphone").get("totalAudioEnergy", 0)

    def wait_frames(self, participant, seconds, source="camera", more=15):
        """Waits until that many more frames are decoded than now."""
        more_frames = Growth(lambda: self.frames(participant, source))
        return wait_until(
            lambda: more_frames() >= more and more_frames.last, seconds,
            lambda: f"{source} of {participant}: {more_frames.total} frames more, now {self.received(participant, source)}; "
            f"{self.value('JSON.stringify(window.proscenium.summary)')}", 0.2,
        )

    def wait_sound(self, participant, seconds):
        """Waits until more energy is heard than now; a beep a second is enough."""
        more = Growth(lambda: self.energy(participant))
        return wait_until(
            lambda: more() > 1e-4 and more.last, seconds,
            lambda: f"microphone of {participant}: {self.received(participant, 'microphone')}", 0.2,
        )

    def wait_source(self, participant, source, seconds, is_there=True):
        """Waits until a track is (or is no more) among those that the studio lists."""
        expression = (
            f"window.proscenium.participants.some(({{id, tracks}}) => id === {json.dumps(participant)} "
            f"&& tracks.some((track) => track.source === {json.dumps(source)}))"
        )
        wait_until(
            lambda: self.value(expression) == is_there, seconds,
            lambda: f"{source} of {participant}: {self.value('JSON.stringify(window.proscenium.summary)')}",
        )  # fmt: skip
