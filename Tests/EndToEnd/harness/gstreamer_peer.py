"""GStreamer's webrtcbin as a process of its own, on the system's Python, which has its bindings; says and hears JSON lines.

Usage: gstreamer_peer.py publish | subscribe, with the address to be reached at.
publish: says {"sdp": offer} once all candidates are in it, hears {"sdp": answer}.
subscribe: hears {"sdp": offer}, says {"sdp": answer}.
Both say {"state": ...} as the connection changes, and {"frames": {name: count}} of what is decoded, or sent, twice a second.
"""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISHED = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=20/1
    ! vp8enc deadline=1 keyframe-max-dist=40 target-bitrate=300000 ! rtpvp8pay pt=96 picture-id-mode=15-bit
    ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! identity name=video silent=true ! peer.
audiotestsrc is-live=true wave=sine freq=440 volume=0.4 ! audio/x-raw,rate=48000,channels=1
    ! opusenc ! rtpopuspay pt=97
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000 ! identity name=audio silent=true ! peer.
"""


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Peer:
    """One webrtcbin, and what goes through it."""

    def __init__(self, role, address):
        self.role = role
        self.counts = {}
        if role == "publish":
            self.pipeline = Gst.parse_launch(PUBLISHED)
            self.peer = self.pipeline.get_by_name("peer")
            for name in ("video", "audio"):
                self.count(self.pipeline.get_by_name(name).get_static_pad("src"), name)
        else:
            self.pipeline = Gst.Pipeline.new()
            self.peer = Gst.ElementFactory.make("webrtcbin", "peer")
            self.peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.peer)
            self.peer.connect("pad-added", self.decode)
        # By itself it offers no address of the loopback. The binding takes the agent over, which must not go with it.
        self.agent = self.peer.get_property("ice-agent")
        self.agent.emit("add-local-ip-address", address)
        self.peer.connect("notify::connection-state", lambda *_: self.tell_state())
        self.peer.connect("notify::ice-gathering-state", lambda *_: self.tell_description())
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: say(error=message.parse_error()[0].message))
        GLib.timeout_add(500, lambda: say(frames=self.counts) or True)
        if role == "publish":
            for index in range(2):
                transceiver = self.peer.emit("get-transceiver", index)
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
            self.peer.connect("on-negotiation-needed", lambda peer: peer.emit("create-offer", None, self.promise("offer")))
        self.pipeline.set_state(Gst.State.PLAYING)

    def count(self, pad, name):
        self.counts[name] = 0

        def probe(*_):
            self.counts[name] += 1
            return Gst.PadProbeReturn.OK

        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, probe)

    def promise(self, kind):
        """Makes what was created the local description."""

        def created(promise):
            reply = promise.get_reply()  # which owns the description
            self.peer.emit("set-local-description", reply.get_value(kind), None)

        return Gst.Promise.new_with_change_func(created)

    def hear(self, sdp):
        """Takes the other's description, and answers an offer."""
        _, parsed = GstSdp.SDPMessage.new_from_text(sdp)
        kind = GstWebRTC.WebRTCSDPType.ANSWER if self.role == "publish" else GstWebRTC.WebRTCSDPType.OFFER

        def is_set(_):
            if self.role == "subscribe":
                self.peer.emit("create-answer", None, self.promise("answer"))

        description = GstWebRTC.WebRTCSessionDescription.new(kind, parsed)
        self.peer.emit("set-remote-description", description, Gst.Promise.new_with_change_func(is_set))
        return False

    def decode(self, _, pad):
        """Decodes what comes; the name is that of its kind."""
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin", None)
        decoder.connect("pad-added", self.sink)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def sink(self, _, pad):
        name = (pad.get_current_caps() or pad.query_caps()).get_structure(0).get_name().split("/")[0]
        sink = Gst.ElementFactory.make("fakesink", None)
        sink.set_property("sync", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        self.count(sink.get_static_pad("sink"), name)
        pad.link(sink.get_static_pad("sink"))

    def tell_state(self):
        say(state=self.peer.get_property("connection-state").value_nick)

    def tell_description(self):
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            description = self.peer.get_property("local-description")
            if description is not None:
                say(sdp=description.sdp.as_text())


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    peer = Peer(sys.argv[1], sys.argv[2])

    def read():
        for line in sys.stdin:
            GLib.idle_add(peer.hear, json.loads(line)["sdp"])
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    loop.run()
    peer.pipeline.set_state(Gst.State.NULL)


main()
