"""Networks that leave a page one way to the media server, and how to see which way its media goes."""

# What the studio says of UDP is not heard by the browser.
WITHOUT_UDP = """
const setRemoteDescription = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = description.sdp.replace(/^a=candidate:\\S+ \\d+ udp .*\\r?\\n/gim, "");
    return setRemoteDescription.call(this, {type: description.type, sdp});
};
"""

# The page's own code runs; the browser offers it connections that can only be relayed, by addresses of one kind.
WALLED = """
const Open = window.RTCPeerConnection;
window.RTCPeerConnection = function (options) {
    const servers = (options.iceServers ?? []).map((server) => ({
        ...server, urls: server.urls.filter((url) => url.startsWith("SCHEME:") && url.endsWith("=TRANSPORT")),
    }));
    return new Open({ ...options, iceServers: servers.filter(({ urls }) => urls.length), iceTransportPolicy: "relay" });
};
window.RTCPeerConnection.prototype = Open.prototype;
"""


def walled(scheme, transport):
    """Returns the script of a network in which only a relay can be reached, by one kind of address."""
    return WALLED.replace("SCHEME", scheme).replace("TRANSPORT", transport)


# What runs before the page makes its connections, by the way that is left; each is what `PATH` says of both connections then.
WAYS = {
    "udp": "", "tcp": WITHOUT_UDP,
    "turns": walled("turns", "tcp"), "turn": walled("turn", "udp"), "turn-tcp": walled("turn", "tcp"),
}  # fmt: skip

# The kind of way of the pairs that carry a page's two connections: udp, tcp, or by what the relay is reached.
# Firefox marks the pair itself, and says of the relay which protocol led to it; Chromium names the pair in its transport.
PATH = """
const done = arguments[0];
Promise.all([window.proscenium.publishConnection, window.proscenium.subscribeConnection].map(async (connection) => {
    const reports = await connection.getStats();
    const all = [...reports.values()];
    const pair = reports.get(all.find(({ type }) => type === "transport")?.selectedCandidatePairId)
        ?? all.find(({ type, selected, nominated }) => type === "candidate-pair" && (selected || nominated));
    const local = reports.get(pair?.localCandidateId), remote = reports.get(pair?.remoteCandidateId);
    if (!local || !remote) return "none yet";
    if (local.candidateType === "relay") return { tls: "turns", udp: "turn", tcp: "turn-tcp" }[local.relayProtocol] ?? `relay by ${local.relayProtocol}`;
    return remote.protocol;
})).then(done, (error) => done([String(error)]));
"""
