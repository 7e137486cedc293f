// Other keys: a second connection on the way into the place of the first, and when it carries what that one does.

import { Problem } from "/assets/client.js";
import { connected } from "/assets/connections.js";

/** How long a second connection has to take over, and to carry what the first one does. */
const TAKE_OVER_MS = 30_000, FLOW_MS = 8000;

/** One connection on the way into the place of another. */
export class Succession {
    #resolve; #reject; #end;
    isDone = false;

    constructor(before, connection) {
        this.before = before;
        this.connection = connection;
        this.#end = new Promise((resolve, reject) => [this.#resolve, this.#reject] = [resolve, reject]);
        this.#end.catch(() => {});
    }

    /** The studio counts on the new one. */
    take() {
        this.isDone = true;
        this.#resolve();
    }

    giveUp(reason) { this.#reject(reason instanceof Error ? reason : new Problem(0, { title: `Given up: ${reason}` })); }

    /** Waits for something, unless it is given up meanwhile. */
    until(promise) { return Promise.race([promise, this.#end.then(() => promise)]); }

    /** Resolves when it is done. */
    async finish() {
        const timer = setTimeout(() => this.giveUp("it takes too long"), TAKE_OVER_MS);
        try {
            await this.until(connected(this.connection));
            await this.#end;
        } finally {
            clearTimeout(timer);
        }
    }
}

/** How much of each received track has come, by mid: frames of pictures, packets of sound. */
async function progress(connection) {
    const reports = [...(await connection.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
    return new Map(reports.map(({ mid, kind, framesDecoded = 0, packetsReceived = 0 }) => [mid, { kind, count: kind === "video" ? framesDecoded : packetsReceived }]));
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** How many received tracks of a connection move, by kind. */
export async function moving(connection) {
    const first = await progress(connection);
    await sleep(500);
    const moved = { audio: 0, video: 0 };
    for (const [mid, { kind, count }] of await progress(connection)) if (count > (first.get(mid)?.count ?? 0)) moved[kind]++;
    return moved;
}

/** Resolves when as much has come, or after a while with a part of it: a thin line has no room for both connections. */
export async function flow(connection, { audio, video }) {
    const end = performance.now() + FLOW_MS;
    const has = (tracks, kind) => tracks.filter((track) => track.kind === kind && track.count > 0).length;
    while (performance.now() < end) {
        const tracks = [...(await progress(connection)).values()];
        if (has(tracks, "audio") >= audio && has(tracks, "video") >= video) return;
        await sleep(100);
    }
    const tracks = [...(await progress(connection)).values()];
    if (!tracks.some(({ count }) => count > 0)) throw new Problem(503, { title: "Nothing comes on the second connection." });
}
