// A speaker's hand on the slides: forward, back, and a deck of their own, for those whose invitation says so.

import { Problem, request } from "/assets/client.js";

/** Which page is out, and the way to another; `onChange()` is called when that is known anew. */
export class SlideTurner {
    #base; #onChange; #timer;
    deck = null; page = 0; pages = 0;

    constructor(event, onChange) {
        this.#base = `/v1/events/${encodeURIComponent(event)}`;
        this.#onChange = onChange;
        const follow = async () => {
            if (!document.hidden) await this.#look().catch(() => {});
            this.#timer = setTimeout(follow, 2000);
        };
        follow();
    }

    stop() { clearTimeout(this.#timer); }

    get mayGoBack() { return this.deck !== null && this.page > 1; }
    get mayGoForward() { return this.deck !== null && (this.pages === 0 || this.page < this.pages); }

    /** Turns by a number of pages. */
    async turn(by) {
        // Somebody else may have turned meanwhile: one page on means from what is out now.
        await this.#look();
        if (!this.deck) throw new Problem(409, { title: "There are no slides yet." });
        const page = this.page + by;
        if (page < 1 || (this.pages && page > this.pages)) return;
        await this.#show(this.deck, page);
    }

    /** Uploads a PDF and shows its first page. */
    async upload(file) {
        const headers = { "Content-Type": "application/pdf", "Idempotency-Key": crypto.randomUUID() };
        const { id, pages } = await request("POST", `${this.#base}/decks`, file, headers);
        await this.#show(id, 1);
        this.pages = pages;
        this.#onChange();
    }

    async #show(deck, page) {
        await request("PUT", `${this.#base}/slides`, { deck, page });
        Object.assign(this, { deck, page });
        this.#onChange();
    }

    async #look() {
        const slides = await request("GET", `${this.#base}/slides`);
        const { deck = null, page = 0, pages = 0 } = slides ?? {};
        Object.assign(this, { deck, page, pages });
        this.#onChange();
    }
}
