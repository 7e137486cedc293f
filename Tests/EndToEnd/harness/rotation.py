"""What a page saw and heard while connections were replaced, and with which keys they stand."""

# The longest time between two pictures of a participant that the page has put on the screen, and how many there were; and the
# longest time in which looks found no packet of their sound on the connection that is heard, and what was made up for want of any.
WATCH = """
const person = arguments[0], kind = arguments[1] ?? "person", page = window.proscenium;
const video = document.querySelector(`[data-participant="${person}"][data-kind="${kind}"] video`);
const seen = (window.seenPictures ??= {})[kind] = {longest: 0, count: 0, gaps: []};
let last = performance.now();
const look = () => {
    const now = performance.now();
    seen.longest = Math.max(seen.longest, now - last);
    if (now - last > 150) seen.gaps.push(Math.round(now - last));
    seen.count++;
    last = now;
    video.requestVideoFrameCallback(look);
};
video.requestVideoFrameCallback(look);
if (kind !== "person") return;
const heard = window.heardSound = {longest: 0, concealed: 0, connections: 0, slowestLook: 0};
let connection = null, packets = 0, concealed = 0, looked = performance.now(), quietSince = looked;
// Firefox answers nobody who asks a connection that is closed meanwhile.
const reports = (connection) => Promise.race([connection.getStats(), new Promise((done) => setTimeout(done, 1000, new Map()))]);
const listen = async () => {
    const current = page.subscribeConnection, track = page.received.find(({participant, source}) => participant === person && source === "microphone");
    const report = current && track && [...(await reports(current)).values()].find(({type, mid}) => type === "inbound-rtp" && mid === track.mid);
    const now = performance.now();
    heard.slowestLook = Math.max(heard.slowestLook, now - looked);
    looked = now;
    if (report && current === page.subscribeConnection) {
        if (current !== connection) {
            heard.connections++;
            [connection, packets, concealed] = [current, 0, report.concealedSamples];
        }
        // Between two looks of a busy page anything may have come: only what a look has missed counts.
        if (report.packetsReceived > packets) [quietSince, packets] = [null, report.packetsReceived];
        else heard.longest = Math.max(heard.longest, now - (quietSince ??= now));
        heard.concealed += report.concealedSamples - concealed;
        concealed = report.concealedSamples;
    }
    setTimeout(listen, 20);
};
listen();
"""

KEYS = """
const done = arguments[0];
const page = window.proscenium;
(async () => {
    const keys = [];
    for (const connection of [page.publishConnection, page.subscribeConnection]) {
        const reports = await connection.getStats(), all = [...reports.values()];
        // Firefox tells nothing of its transport.
        const transport = all.find(({type}) => type === "transport");
        keys.push({
            fingerprint: reports.get(transport?.localCertificateId)?.fingerprint, state: transport?.dtlsState, cipher: transport?.srtpCipher,
            pair: transport?.selectedCandidatePairId, said: connection.localDescription.sdp.match(/a=fingerprint:(\\S+ \\S+)/)[1],
        });
    }
    done(keys);
})();
"""
