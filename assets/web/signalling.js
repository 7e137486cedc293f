// Signalling: requests and their replies, and what the server says of itself, on one WebSocket.

import { Problem } from "/assets/client.js";

/** Who does not answer for so long is as good as gone. */
export const REPLY_MS = 10_000;

/** The JSON messages of one WebSocket: requests with their replies, and what the server says of itself. */
export class Signalling {
    #socket; #pending = new Map(); #lastId = 0;

    constructor(address, { onMessage, onClose }) {
        this.#socket = new WebSocket(address);
        this.#socket.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            const reply = this.#pending.get(message.id);
            if (!reply) return onMessage(message);
            this.#pending.delete(message.id);
            clearTimeout(reply.timer);
            if (message.error) reply.reject(new Problem(message.error.status ?? 500, message.error, message.error.retryAfterMs));
            else reply.resolve(message);
        };
        this.#socket.onclose = ({ code }) => {
            for (const { reject, timer } of this.#pending.values()) {
                clearTimeout(timer);
                reject(new Problem(0, { title: "The connection was lost." }));
            }
            this.#pending.clear();
            onClose(code);
        };
    }

    request(body) {
        return new Promise((resolve, reject) => {
            if (this.#socket.readyState !== WebSocket.OPEN) return reject(new Problem(0, { title: "The connection was lost." }));
            const id = ++this.#lastId;
            const timer = setTimeout(() => {
                this.#pending.delete(id);
                this.close();
                reject(new Problem(0, { title: "The studio does not answer." }));
            }, REPLY_MS);
            this.#pending.set(id, { resolve, reject, timer });
            this.#socket.send(JSON.stringify({ id, ...body }));
        });
    }

    /** A code says that this is meant; without one the studio keeps for a while what belongs to the socket. */
    close(code) { this.#socket.close(code); }
}
