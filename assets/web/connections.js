// Waiting for a connection: to stand, or to stand again.

import { Problem } from "/assets/client.js";

const CONNECT_MS = 15_000;
/** How long a new path for an old connection is waited for. */
const RESTART_MS = 6000;

/** Resolves when a connection whose ICE was started again stands. */
export function recovered(connection) {
    return new Promise((resolve, reject) => {
        const look = () => {
            if (connection.connectionState === "connected") end(resolve);
            else if (connection.connectionState === "closed") end(reject);
        };
        const end = (done) => {
            clearTimeout(timer);
            connection.removeEventListener("connectionstatechange", look);
            done();
        };
        const timer = setTimeout(() => end(reject), RESTART_MS);
        connection.addEventListener("connectionstatechange", look);
        look();
    });
}

/** Resolves when a connection stands. */
export function connected(connection) {
    return new Promise((resolve, reject) => {
        const fail = () => reject(new Problem(503, { title: "No connection to the media server." }));
        const timer = setTimeout(fail, CONNECT_MS);
        const look = () => {
            if (connection.connectionState === "connected") resolve();
            else if (!["failed", "closed"].includes(connection.connectionState)) return;
            else fail();
            clearTimeout(timer);
            connection.removeEventListener("connectionstatechange", look);
        };
        connection.addEventListener("connectionstatechange", look);
        look();
    });
}
