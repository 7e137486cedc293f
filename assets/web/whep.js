// The program with less delay: WHEP (draft-ietf-wish-whep) in a <video>, in place of the playlist.

import { Problem, request } from "/assets/client.js";

/** How long a path may be lost before the playlist takes over, in milliseconds. */
const PATIENCE = 5000;

/** Watches the program over WebRTC until told to stop; `onEnd` is told when it ends by itself. */
export class LowDelay {
    #video; #url; #event; #onEnd; #connection; #session; #timer; #isOver = false;

    constructor(video, { url, event, onEnd }) {
        [this.#video, this.#url, this.#event, this.#onEnd] = [video, url, event, onEnd];
    }

    /** Connects; throws a `Problem` when there is no place, or no program. */
    async start() {
        const { iceServers } = await request("GET", `/v1/events/${this.#event}/ice-servers`);
        if (this.#isOver) return;
        const connection = this.#connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
        const stream = new MediaStream();
        connection.ontrack = ({ track }) => stream.addTrack(track);
        connection.onconnectionstatechange = () => this.#follow();
        for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
        await connection.setLocalDescription();
        const answer = await this.#ask("POST", this.#url, "application/sdp", connection.localDescription.sdp);
        this.#session = new URL(answer.headers.get("Location"), this.#url).href;
        if (this.#isOver) return this.#leave();
        await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
        this.#video.srcObject = stream;
        await this.#video.play().catch(() => {});
    }

    stop() {
        if (this.#isOver) return;
        this.#isOver = true;
        clearTimeout(this.#timer);
        this.#connection?.close();
        this.#video.srcObject = null;
        this.#leave();
    }

    #follow() {
        clearTimeout(this.#timer);
        const state = this.#connection.connectionState;
        if (state === "failed" || state === "closed") this.#end();
        else if (state === "disconnected") this.#timer = setTimeout(() => this.#end(), PATIENCE);
    }

    #end() {
        if (this.#isOver) return;
        this.stop();
        this.#onEnd();
    }

    #leave() {
        if (this.#session) this.#ask("DELETE", this.#session, "application/json", undefined, true).catch(() => {});
        this.#session = undefined;
    }

    async #ask(method, url, type, body, keepalive = false) {
        const response = await fetch(url, { method, credentials: "same-origin", headers: { "Content-Type": type }, body, keepalive });
        if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
        return response;
    }
}
