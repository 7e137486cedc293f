// Everybody's picture: a tile for each person, one for each shared screen, and one for the program as it goes out.

import { pixelsOf } from "/assets/layers.js";
import { element } from "/assets/polls.js";

const initialsOf = (name) => name.split(/\s+/).filter(Boolean).slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");

/** How long a level counts. */
const FRESH_MS = 1000;

/** One tile; its stream holds what is seen and heard of one person, one screen or the program. */
class Tile {
    #stream = new MediaStream(); #receiver = null; #stamp; #heardAt = 0;

    constructor(participant, kind, isMine) {
        this.participant = participant;
        this.kind = kind;
        this.video = element("video", { playsInline: true, autoplay: true, muted: isMine });
        this.initials = element("p", { className: "blank initials" }, element("span"));
        this.initials.setAttribute("aria-hidden", "true");
        this.note = element("span", { className: "note", hidden: true });
        this.name = element("span", { className: "name" });
        this.badge = element("span", { className: "badge", textContent: "Muted", hidden: true });
        this.element = element("article", { className: "tile", dataset: { participant, kind } },
            this.video, this.initials, element("footer", {}, this.name, this.badge, this.note));
        // A stream that changes its tracks goes on by itself only while it plays.
        this.video.srcObject = this.#stream;
    }

    /** Draws the tile anew; `audio` is a track with its receiver, where there is one; `isSilent` when it is heard elsewhere. */
    update({ label, picture, lacks, audio, isMine, isSilent = false, hasFloor = false, isDark, isMuted, isMirrored, note = "" }, onBlocked) {
        this.name.textContent = label;
        this.video.setAttribute("aria-label", label);
        this.initials.firstChild.textContent = initialsOf(label);
        this.initials.hidden = Boolean(picture) && !isDark;
        this.badge.hidden = !isMuted;
        this.note.textContent = lacks ? `This browser can't show ${lacks.toUpperCase()}` : note;
        this.note.hidden = !this.note.textContent;
        this.video.muted = isMine || isSilent;
        this.element.toggleAttribute("data-dominant", hasFloor);
        this.element.toggleAttribute("data-mirror", isMirrored);
        this.element.toggleAttribute("data-dark", isDark || !picture);
        this.#receiver = this.kind === "program" ? null : audio?.receiver ?? null;
        const wanted = [picture, audio?.track].filter(Boolean);
        for (const track of this.#stream.getTracks()) if (!wanted.includes(track)) this.#stream.removeTrack(track);
        let isNew = false;
        for (const track of wanted) {
            if (this.#stream.getTracks().includes(track)) continue;
            this.#stream.addTrack(track);
            isNew = true;
        }
        if (isNew || (wanted.length && this.video.paused)) this.play(onBlocked);
    }

    play(onBlocked) {
        this.video.play().catch((error) => { if (error.name === "NotAllowedError") onBlocked?.(); });
    }

    /** Outlines who speaks, by the level that the last packets carried. */
    showLevel() {
        const heard = this.#receiver?.getSynchronizationSources?.()[0];
        // A voice that the studio leaves out for a while is not heard, whatever its last packet said.
        if (heard?.rtpTimestamp !== this.#stamp) [this.#stamp, this.#heardAt] = [heard?.rtpTimestamp, performance.now()];
        const isFresh = performance.now() - this.#heardAt < FRESH_MS;
        const level = isFresh ? heard?.audioLevel ?? 0 : 0;
        this.element.toggleAttribute("data-speaking", level > 0.02 && this.badge.hidden);
    }
}

/** All tiles, kept in order: what stays is left alone, so that no picture blinks. */
export class Tiles {
    #container; #tiles = new Map(); #onBlocked; #observer;

    /** `onResize` when a picture is shown in another size. */
    constructor(container, onBlocked, onResize) {
        this.#container = container;
        this.#onBlocked = onBlocked;
        this.#observer = new ResizeObserver(() => onResize?.());
    }

    /** In how many pixels of the screen each picture is shown, by `participant/kind`. */
    get sizes() { return new Map([...this.#tiles].map(([key, { video }]) => [key, pixelsOf(video)])); }

    /** Shows exactly these: `[{participant, kind: "person" | "screen" | "program", isMine, label, ...}]`. */
    show(wanted) {
        const keys = new Set(wanted.map(({ participant, kind }) => `${participant}/${kind}`));
        for (const [key, tile] of this.#tiles) {
            if (keys.has(key)) continue;
            tile.video.srcObject = null;
            this.#observer.unobserve(tile.video);
            tile.element.remove();
            this.#tiles.delete(key);
        }
        for (const content of wanted) {
            const key = `${content.participant}/${content.kind}`;
            if (!this.#tiles.has(key)) {
                const tile = new Tile(content.participant, content.kind, content.isMine);
                this.#tiles.set(key, tile);
                this.#container.append(tile.element);
                this.#observer.observe(tile.video);
            }
            this.#tiles.get(key).update(content, this.#onBlocked);
        }
        const count = wanted.filter(({ kind }) => kind !== "program").length;
        this.#container.dataset.count = count <= 2 ? String(count) : count <= 4 ? "few" : count <= 9 ? "many" : "crowd";
        for (const kind of ["screen", "program"]) {
            this.#container.toggleAttribute(`data-${kind}`, wanted.some((content) => content.kind === kind));
        }
    }

    play() { for (const tile of this.#tiles.values()) tile.play(); }

    showLevels() { for (const tile of this.#tiles.values()) tile.showLevel(); }
}
