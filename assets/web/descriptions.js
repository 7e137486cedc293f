// What a page reads in session descriptions, and which codec it wants in them.

/** What an offer's sections carry, by mid: `a=msid` names the participant and `SOURCE.SESSION.MID`. */
export function tracksOf(sdp) {
    const tracks = new Map();
    for (const section of sdp.split(/^m=/m).slice(1)) {
        const mid = section.match(/^a=mid:(\S+)/m)?.[1];
        const msid = section.match(/^a=msid:(\S+) (\S+)/m);
        const isSent = !/^\w+ 0 /.test(section) && !/^a=(inactive|recvonly)/m.test(section);
        if (mid && msid && isSent) tracks.set(mid, { mid, participant: msid[1], id: msid[2], source: msid[2].split(".")[0] });
    }
    return tracks;
}

/** The names of the codecs that a description's sections list, in their order, by mid. */
export function codecsOf(sdp) {
    const codecs = new Map();
    for (const section of sdp.split(/^m=/m).slice(1)) {
        const mid = section.match(/^a=mid:(\S+)/m)?.[1];
        const names = new Map([...section.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)/gm)].map(([, type, name]) => [type, name.toLowerCase()]));
        const types = section.match(/^\w+ (\d+) \S+ ([\d ]+)/);
        if (mid && types && types[1] !== "0") codecs.set(mid, types[2].split(" ").map((type) => names.get(type)));
    }
    return codecs;
}

/** Puts a codec before the others, and VP8, which everybody has, right behind it. */
export function prefer(transceiver, wanted) {
    const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
    const names = [`video/${wanted}`, "video/vp8"];
    const rank = ({ mimeType }) => (names.indexOf(mimeType.toLowerCase()) + names.length + 1) % (names.length + 1);
    const sorted = [...codecs].sort((one, other) => rank(one) - rank(other));
    if (sorted.length) transceiver.setCodecPreferences?.(sorted);
}
