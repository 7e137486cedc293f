"""A second receiver in the room: aiortc, which says when each picture and each sound was captured by the sender's reports."""

import array
import asyncio
import threading
import time

import aiortc
import av
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpSrPacket

from .sound import loudness
from .speakers import RoomSocket
from .waiting import PATIENCE, wait_until

NTP_FRACTION = 2**32
# Encoders look 6.5 ms ahead: what is decoded was captured that much before what its stamp says.
OPUS_LOOKAHEAD = 312
CLOCK_RATES = {"video": 90_000, "audio": 48_000}


class TrackRecord:
    """What came on one track: (RTP timestamp, value), and the last sender report."""

    def __init__(self, kind):
        self.rate = CLOCK_RATES[kind]
        self.samples = []
        self.report = None  # seconds of NTP, RTP timestamp

    def captured(self):
        """Returns (milliseconds of the sender's clock, value) of all samples, by the newest sender report."""
        if self.report is None:
            return []
        seconds, stamp = self.report
        return [
            (1000 * (seconds + ((sample - stamp + 2**31) % 2**32 - 2**31) / self.rate), value)
            for sample, value in self.samples
        ]


class RoomReceiver:
    """Subscribes to everybody in the room, as a page does, and keeps brightness and loudness of each track."""

    def __init__(self, api, event):
        self.tracks = {}  # by (participant, source)
        self.connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._thread.start()
        self.socket = RoomSocket(api, event)
        self._readers = []
        self._seen = set()

    def _run(self, work, seconds=60):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def subscribe(self, participant, seconds=15):
        """Answers offers until camera and microphone of a participant are among the tracks."""
        self.socket.receive(lambda message: "hello" in message)
        self.socket.last_id += 1
        self.socket.socket.send('{"id": %d, "subscribe": true}' % self.socket.last_id)
        wanted = {(participant, "camera"), (participant, "microphone")}
        deadline = time.monotonic() + PATIENCE * seconds
        while not wanted <= set(self.tracks):
            offer = self.socket.receive(lambda message: "offer" in message, max(0.1, deadline - time.monotonic()))["offer"]
            answer = self._run(self._answer(offer))
            self.socket.ask({"answer": answer})
        wait_until(lambda: self.connection.connectionState == "connected", 15, lambda: self.connection.connectionState)
        return self

    async def _answer(self, offer):
        await self.connection.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        named = tracks_of(offer)
        for transceiver in self.connection.getTransceivers():
            if transceiver.mid in named and transceiver.mid not in self._seen:
                self._seen.add(transceiver.mid)
                record = self.tracks[named[transceiver.mid]] = TrackRecord(transceiver.kind)
                self._follow(transceiver.receiver, record)
        return self.connection.localDescription.sdp

    def _follow(self, receiver, record):
        handle = receiver._handle_rtcp_packet

        async def note(packet):
            if isinstance(packet, RtcpSrPacket):
                info = packet.sender_info
                record.report = info.ntp_timestamp / NTP_FRACTION, info.rtp_timestamp
            await handle(packet)

        receiver._handle_rtcp_packet = note
        # aiortc counts its stamps from the first packet; the sender's reports speak of those on the wire.
        mapper = receiver._RTCRtpReceiver__timestamp_mapper
        read = self._pictures if receiver.track.kind == "video" else self._sounds
        self._readers.append(asyncio.ensure_future(read(receiver.track, record, mapper)))

    async def _pictures(self, track, record, mapper):
        try:
            while True:
                frame = await track.recv()
                plane = frame.planes[0]
                samples = bytes(plane)[: frame.height * plane.line_size : 487]
                record.samples.append((frame.pts + mapper._origin, sum(samples) / len(samples)))
        except MediaStreamError:
            pass

    async def _sounds(self, track, record, mapper):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        try:
            while True:
                frame = await track.recv()
                for part in resampler.resample(frame):
                    values = array.array("h", bytes(part.planes[0])[: 2 * part.samples])
                    for index, value in enumerate(loudness(values)):
                        record.samples.append((frame.pts + mapper._origin + 48 * index - OPUS_LOOKAHEAD, value))
        except MediaStreamError:
            pass

    def close(self):
        self.socket.close()
        self._run(self.connection.close())
        for reader in self._readers:
            self._loop.call_soon_threadsafe(reader.cancel)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tracks_of(offer):
    """Returns participant and source by mid; `a=msid` names the participant and `SOURCE.SESSION.MID`."""
    found = {}
    for section in offer.split("\nm=")[1:]:
        lines = [line.strip() for line in section.splitlines()]
        values = dict(line[2:].partition(":")[::2] for line in lines if line.startswith("a="))
        if "mid" in values and "msid" in values and not ({"inactive", "recvonly"} & set(values)):
            participant, name = values["msid"].split()[:2]
            found[values["mid"]] = participant, name.split(".")[0]
    return found
