// The program in a <video>: hls.js where it runs, the browser's own HLS elsewhere; and where on the program clock it is.

import { n as isSupported, t as attach } from "/assets/hls.js";

// The module hands out a function that attaches with settings of its own; the class stands behind what it returns.
// The address is one that the content policy allows, and that nobody reads: its request is given up at once.
function hlsClass() {
    const probe = attach(document.createElement("video"), "/assets/studio.css");
    probe.destroy();
    return probe.constructor;
}

const CONFIGURATION = {
    xhrSetup: (request) => { request.withCredentials = true; },
    // This build carries no worker bundle.
    enableWorker: false,
    lowLatencyMode: false,
    liveSyncDurationCount: 3,
    liveMaxLatencyDurationCount: 8,
    maxLiveSyncPlaybackRate: 1.1,
    backBufferLength: 30,
    capLevelToPlayerSize: true,
};

/** Plays a master playlist until told to stop, and comes back by itself; `onChange` is told of every change of state. */
export class Player {
    #video; #onChange; #hls; #Hls; #url; #restart;
    /** `none`, `loading`, `playing`, or `blocked` when the browser wants a click first. */
    state = "none";
    kind = "none";

    constructor(video, onChange) {
        this.#video = video;
        this.#onChange = onChange;
        for (const name of ["playing", "timeupdate"]) video.addEventListener(name, () => this.#playing());
    }

    /** The playhead on the program clock in milliseconds; null while that is not known. */
    get programTime() {
        if (this.#video.readyState < 2) return null;
        const start = this.#video.getStartDate?.();
        const date = this.#hls ? this.#hls.playingDate : start && new Date(start.getTime() + this.#video.currentTime * 1000);
        const time = date?.getTime();
        return Number.isFinite(time) ? time : null;
    }

    /** How far behind the end of what can be played, in milliseconds: a stand-in where no program clock is known. */
    get lagMs() {
        const { seekable, currentTime } = this.#video;
        return seekable.length ? Math.max(0, (seekable.end(seekable.length - 1) - currentTime) * 1000) : 0;
    }

    load(url) {
        this.stop();
        this.#url = url;
        this.#set("loading");
        if (isSupported()) this.#loadWithHls();
        else this.#loadNative();
    }

    stop() {
        clearTimeout(this.#restart);
        this.#hls?.destroy();
        this.#hls = undefined;
        this.#set("none");
    }

    async play() {
        try {
            await this.#video.play();
        } catch (error) {
            if (error.name === "NotAllowedError") this.#set("blocked");
        }
    }

    #set(state) {
        if (this.state === state) return;
        this.state = state;
        this.#onChange(this);
    }

    #playing() {
        if (this.state !== "none" && !this.#video.paused && this.#video.readyState >= 2) this.#set("playing");
    }

    #again() {
        const url = this.#url;
        this.stop();
        this.#set("loading");
        // Spread, as everybody who watches is at the same point.
        this.#restart = setTimeout(() => this.load(url), 1000 + Math.random() * 2000);
    }

    #loadWithHls() {
        this.kind = "hls.js";
        this.#Hls ??= hlsClass();
        const { Events, ErrorTypes } = this.#Hls;
        const hls = this.#hls = new this.#Hls(CONFIGURATION);
        let recoveries = 0;
        hls.on(Events.MANIFEST_PARSED, () => this.play());
        hls.on(Events.ERROR, (_, error) => {
            if (!error.fatal || hls !== this.#hls) return;
            // A media error is mended in place, a few times; anything else starts anew.
            if (error.type === ErrorTypes.MEDIA_ERROR && recoveries++ < 3) hls.recoverMediaError();
            else this.#again();
        });
        hls.loadSource(this.#url);
        hls.attachMedia(this.#video);
    }

    #loadNative() {
        this.kind = "native";
        this.#video.crossOrigin = "use-credentials";
        this.#video.onerror = () => this.#again();
        this.#video.src = this.#url;
        this.play();
    }
}
