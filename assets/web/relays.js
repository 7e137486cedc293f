// Who relays media for a network that lets no UDP through: the page is told anew before the name that lets it in ends.

import { request } from "/assets/client.js";

/** Relays let nobody in by a name that has ended: another is asked for in time, however soon or far off that end is. */
const LEAST_MS = 5000, MOST_MS = 24 * 3_600_000;
/** How soon it is asked again where there was no answer. */
const AGAIN_MS = 60_000;

/** The relays of an event, for connections; `onRenewed` is told when they have other names, for as long as they are `isNeeded`. */
export class Relays {
    #event; #isNeeded; #onRenewed; #timer;
    servers = [];

    constructor(event, { isNeeded, onRenewed }) {
        this.#event = event;
        this.#isNeeded = isNeeded;
        this.#onRenewed = onRenewed;
    }

    /** Asks for them; most need nobody, so nothing waits or fails for this. */
    async find() {
        try {
            const { iceServers, expiresAt } = await request("GET", `/v1/events/${encodeURIComponent(this.#event)}/ice-servers`);
            this.servers = iceServers;
            this.#renewIn(0.8 * (Date.parse(expiresAt) - Date.now()));
        } catch {
            this.#renewIn(AGAIN_MS);
        }
    }

    stop() { clearTimeout(this.#timer); }

    /** A connection that stands for hours looks for its next path with names that are good then. */
    #renewIn(ms) {
        clearTimeout(this.#timer);
        if (!this.#isNeeded()) return;
        this.#timer = setTimeout(async () => {
            await this.find();
            this.#onRenewed();
        }, Math.min(MOST_MS, Math.max(LEAST_MS, ms || AGAIN_MS)));
    }
}
