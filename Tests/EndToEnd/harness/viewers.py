"""Viewers as outside programs make them: aiortc by WHEP."""

import asyncio

import aiortc

from .speakers import WhipSpeaker


class WhepViewer(WhipSpeaker):
    """Receives a picture and a sound by WHEP from a thread with a loop of its own."""

    def __init__(self, api, event, source="", codec=None):
        """`codec`: the only one of pictures that is offered, such as `H264`; all of aiortc's where it is missing."""
        super().__init__(api, event)
        self.codec = codec
        self.path = f"/v1/events/{event}/whep" + (f"?source={source}" if source else "")
        self.frames = {"video": 0, "audio": 0}
        self.last = {}

    async def _offer(self):
        self.connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            transceiver = self.connection.addTransceiver(kind, direction="recvonly")
            if kind == "video" and self.codec:
                known = aiortc.RTCRtpReceiver.getCapabilities("video").codecs
                transceiver.setCodecPreferences([codec for codec in known if codec.mimeType in (f"video/{self.codec}", "video/rtx")])
        self.connection.on("track", lambda track: asyncio.ensure_future(self._follow(track)))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def _follow(self, track):
        try:
            while True:
                self.last[track.kind] = await track.recv()
                self.frames[track.kind] += 1
        except aiortc.mediastreams.MediaStreamError:
            pass

    def brightness(self):
        """The brightness of the middle of the last picture, 16 to 235."""
        frame = self.last["video"]
        return bytes(frame.planes[0])[frame.planes[0].line_size * (frame.height // 2) + frame.width // 2]
