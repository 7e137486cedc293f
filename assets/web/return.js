// What a speaker on stage hears: the program without their own voice, or people directly; never both.

const KEY = "proscenium.hears-people";
/** A mix that stands still for so long does not come any more, and people are heard directly until it does. */
const STALL_MS = 1000;

/**
 * Decides between the program's sound and that of each person.
 *
 * The program's is what goes out, with rolls, music and the levels of the desk, and comes some tenths of a second later; so it
 * is only for those on stage, and who talks with others a lot may prefer to hear them directly. That is remembered here.
 */
export class ProgramSound {
    #receiver = null; #stamp = null; #movedAt = -Infinity; #was = false;

    get prefersPeople() { return localStorage.getItem(KEY) !== null; }
    set prefersPeople(does) {
        if (does) localStorage.setItem(KEY, "1");
        else localStorage.removeItem(KEY);
    }

    /** Whether the program is heard, and with it everybody on stage. */
    get isHeard() { return Boolean(this.#receiver) && !this.prefersPeople && performance.now() - this.#movedAt < STALL_MS; }

    /** Follows the mix that there is now; null for none. */
    follow(receiver = null) {
        if (receiver === this.#receiver) return;
        this.#receiver = receiver;
        this.#stamp = null;
        this.#movedAt = -Infinity;
    }

    /** Looks whether the mix still comes; says whether something else is heard than when it looked last. */
    look() {
        const stamp = this.#receiver?.getSynchronizationSources?.()[0]?.rtpTimestamp ?? null;
        if (stamp !== this.#stamp && stamp !== null) {
            // The first one may be old.
            if (this.#stamp !== null) this.#movedAt = performance.now();
            this.#stamp = stamp;
        }
        const was = this.#was;
        this.#was = this.isHeard;
        return this.#was !== was;
    }
}
