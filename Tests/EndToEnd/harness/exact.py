"""A speaker whose flash and beep belong together to the sample: stamps are counted, and the sender reports say exactly what they mean."""

import array
import asyncio
import fractions
import math
import random
import time

import aiortc
import av
from aiortc.rtp import RtcpSrPacket

from .speakers import WhipSpeaker

RATE, CLOCK = 48_000, 90_000
FRAME_RATE = 25
# 26 frames, 52 packets: both begin with a flash. The program's frames fall elsewhere on it each time, in steps of a fifth.
PERIOD_MS, ON_MS = 1040, 120
NTP_EPOCH = 2_208_988_800
PACKET_SAMPLES = RATE // 50
DARK, BRIGHT = 40, 230


class SenderClock:
    """The clock by which a sender captures, counts and reports; it runs faster than ours by `ppm` millionths."""

    def __init__(self, ppm=0):
        self.pace = 1 + ppm / 1e6
        self._begin = time.monotonic()
        self._wall = time.time()

    @property
    def now(self):
        """Seconds since the sender began."""
        return (time.monotonic() - self._begin) * self.pace

    def ntp(self, seconds):
        """Returns what a sender report says of a moment."""
        return int((self._wall + NTP_EPOCH + seconds) * 2**32) & (2**64 - 1)

    async def wait(self, seconds):
        await asyncio.sleep(max(0, (seconds - self.now) / self.pace))


class FlashingCamera(aiortc.MediaStreamTrack):
    """320 x 180 at 25 frames a second, by the sender's clock: dark, and bright for the first frames of each period."""

    kind = "video"

    def __init__(self, clock):
        super().__init__()
        self.clock, self.is_muted, self.first = clock, False, None
        self._next = math.ceil(clock.now * FRAME_RATE)

    async def recv(self):
        while True:
            index, self._next = self._next, self._next + 1
            await self.clock.wait(index / FRAME_RATE)
            if not self.is_muted:
                break
        pts = index * CLOCK // FRAME_RATE
        if self.first is None:
            self.first = pts
        frame = av.VideoFrame(320, 180, "yuv420p")
        value = BRIGHT if index * 1000 // FRAME_RATE % PERIOD_MS < ON_MS else DARK
        for plane, level in zip(frame.planes, (value, 128, 128)):
            plane.update(bytes([level]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, fractions.Fraction(1, CLOCK)
        return frame


class BeepingMicrophone(aiortc.MediaStreamTrack):
    """Opus in packets of 20 ms: silent, and a tone while the camera is bright. Muted, it sends nothing, and counts on."""

    kind = "audio"

    def __init__(self, clock):
        super().__init__()
        self.clock, self.is_muted, self.first = clock, False, None
        self._next = math.ceil(clock.now * RATE / PACKET_SAMPLES)
        self._encoder = av.CodecContext.create("libopus", "w")
        self._encoder.bit_rate, self._encoder.sample_rate = 64_000, RATE
        self._encoder.format, self._encoder.layout = "s16", "mono"
        self._encoder.options = {"application": "audio"}

    async def recv(self):
        while True:
            index, self._next = self._next, self._next + 1
            begin = index * PACKET_SAMPLES
            # A microphone has its samples when the last one has been.
            await self.clock.wait((begin + PACKET_SAMPLES) / RATE)
            packets = self._encoder.encode(self._frame(begin))
            if packets and not self.is_muted:
                break
        if self.first is None:
            self.first = begin
        packet = packets[0]
        packet.pts, packet.time_base = begin, fractions.Fraction(1, RATE)
        return packet

    @staticmethod
    def _frame(begin):
        def value(at):
            is_on = at * 1000 // RATE % PERIOD_MS < ON_MS
            return int(16_000 * math.sin(2 * math.pi * 1000 * at / RATE)) if is_on else 0

        frame = av.AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
        data = array.array("h", map(value, range(begin, begin + PACKET_SAMPLES))).tobytes()
        frame.planes[0].update(data.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, fractions.Fraction(1, RATE)
        return frame


class ExactSpeaker(WhipSpeaker):
    """Publishes both by WHIP; what leaves may be lost on purpose.

    `loss` is the part of RTP packets that are lost, repeated ones too, in an order that `seed` decides.
    """

    def __init__(self, api, event, ppm=0, seed=1):
        self.clock = SenderClock(ppm)
        super().__init__(api, event, (lambda: BeepingMicrophone(self.clock), lambda: FlashingCamera(self.clock)))
        self.loss, self.is_cut_off, self.lost, self.passed = 0.0, False, 0, 0
        self._random = random.Random(seed)
        self._origins = {}

    @property
    def microphone(self):
        return self.tracks[0]

    @property
    def camera(self):
        return self.tracks[1]

    async def _offer(self):
        offer = await super()._offer()
        for sender in self.connection.getSenders():
            self._report_exactly(sender)
        self._lose(self.connection.getSenders()[0].transport)
        return offer

    def _report_exactly(self, sender):
        send, track = sender._send_rtcp, sender.track
        rate = RATE if track.kind == "audio" else CLOCK

        async def send_exactly(packets):
            origin = self._origins.get(sender._ssrc)
            for packet in packets:
                if isinstance(packet, RtcpSrPacket):
                    if origin is None:
                        return
                    ticks = (packet.sender_info.rtp_timestamp - origin) % 2**32
                    packet.sender_info.ntp_timestamp = self.clock.ntp(ticks / rate)
            await send(packets)

        sender._send_rtcp = send_exactly

    def _lose(self, transport):
        send = transport._send_rtp
        tracks = {sender._ssrc: sender.track for sender in self.connection.getSenders()}

        async def send_some(data):
            is_media = not 192 <= data[1] <= 223
            if is_media:
                stamp, source = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
                if source in tracks and source not in self._origins:
                    self._origins[source] = (stamp - tracks[source].first) % 2**32
            if self.is_cut_off or is_media and self._random.random() < self.loss:
                self.lost += 1
                return
            self.passed += 1
            await send(data)

        transport._send_rtp = send_some
