"""Viewers as outside programs make them: aiortc by WHEP."""

import asyncio

import aiortc

from .speakers import WhipSpeaker


class WhepViewer(WhipSpeaker):
    """Receives a picture and a sound by WHEP from a thread with a loop of its own."""

    def __init__(self, api, event, source=""):
        super().__init__(api, event)
        self.path = f"/v1/events/{event}/whep" + (f"?source={source}" if source else "")
        self.frames = {"video": 0, "audio": 0}
        self.last = {}

    async def _offer(self):
        self.connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            self.connection.addTransceiver(kind, direction="recvonly")
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
