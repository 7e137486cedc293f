// The sizes in which a camera is sent at once, and telling the studio in which size each received picture is shown.

/** From the smallest on, as browsers want them; each half as wide and as high as the next. */
const LAYERS = [
    { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];
/** All layers of a camera in VP9 together. */
const SCALED_BITRATE = 2_000_000;
const SCREEN_BITRATE = 2_500_000;
const TELL_MS = 250;
const LARGEST = 16_384;

/**
 * The encodings of a picture that is sent with a codec; `steps` says of which picture this browser sends how many layers, and
 * `scalability` how a camera in VP9 is sent (`L3T3`: three sizes at three rates in one stream).
 *
 * A smaller one is offered fewer, and the last is always the whole. VP9 has layers of its own, and a shared screen is only ever
 * shown whole.
 */
export function encodingsOf(source, track, codec, steps, scalability) {
    if (source === "screen") return [{ maxBitrate: SCREEN_BITRATE, maxFramerate: 30 }];
    const { width = 0, height = 0 } = track.getSettings();
    if (codec === "vp9" && scalability) return [{ scalabilityMode: scalability, maxBitrate: SCALED_BITRATE, maxFramerate: 30 }];
    const count = codec === "vp9" ? 1 : steps.find(({ pixels }) => width * height >= pixels)?.layers ?? 1;
    const layers = LAYERS.slice(-count).map((layer) => ({ ...layer, maxFramerate: 30 }));
    return count === 1 ? layers.map(({ rid, ...layer }) => layer) : layers;
}

/** Tells sizes by track id when they have changed, a few times a second at most. */
export class ShownSizes {
    #send; #wanted = null; #told = null; #timer = null;

    /** `send` gets `{TRACK: {width, height}}` in pixels of the screen, and says by a promise whether they arrived. */
    constructor(send) { this.#send = send; }

    show(sizes) {
        this.#wanted = JSON.stringify(sizes);
        this.#timer ??= setTimeout(() => this.#tell(), TELL_MS);
    }

    /** What was told last; null before. */
    get told() { return this.#told && JSON.parse(this.#told); }

    /** Who hears it from now on knows nothing yet. */
    reset() {
        this.#told = null;
        if (this.#wanted) this.#timer ??= setTimeout(() => this.#tell(), TELL_MS);
    }

    stop() {
        clearTimeout(this.#timer);
        this.#timer = this.#wanted = this.#told = null;
    }

    #tell() {
        this.#timer = null;
        const sizes = this.#wanted;
        if (sizes === this.#told) return;
        this.#told = sizes;
        // The next change, or the next connection, tells them again.
        this.#send(JSON.parse(sizes)).catch(() => { if (this.#told === sizes) this.#told = null; });
    }
}

/** The pixels of the screen that an element fills. */
export function pixelsOf(element) {
    const scale = (pixels) => Math.min(LARGEST, Math.max(1, Math.round(pixels * devicePixelRatio)));
    return { width: scale(element.clientWidth), height: scale(element.clientHeight) };
}
