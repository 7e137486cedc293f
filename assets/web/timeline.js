// What waits for its moment: entries of the timeline act when the playhead reaches their program time.

/** An ordered queue; pure, the playhead comes in as an argument. */
export class Timeline {
    #waiting = [];

    /** Adds something to do at a program time; what has the same time keeps the order of its coming. */
    add(programTime, act) {
        let at = this.#waiting.length;
        while (at > 0 && this.#waiting[at - 1].programTime > programTime) at--;
        this.#waiting.splice(at, 0, { programTime, act });
    }

    /** Does everything whose moment has come. A playhead of Infinity means that there is nothing to wait for. */
    advance(playhead) {
        while (this.#waiting.length && this.#waiting[0].programTime <= playhead) this.#waiting.shift().act();
    }

    clear() { this.#waiting = []; }

    get length() { return this.#waiting.length; }
}
