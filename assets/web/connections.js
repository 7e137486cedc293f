// Which ways a connection may take, and waiting for it: to stand, or to stand again.

import { Problem } from "/assets/client.js";

const CONNECT_MS = 15_000;
/** How long a new path for an old connection is waited for. */
const RESTART_MS = 6000;

/** The ways that are left where UDP loses too much, the better one first: TCP to the media server, and relays that are reached by it. */
export const WITHOUT_UDP = ["tcp", "relay"];

/** How a connection is made that may go one of these ways, or any (null), with the relays that the studio names. */
export function configurationOf(way, relays) {
    if (way === "tcp") return { iceServers: [] };
    if (way === null) return { iceServers: relays };
    const byTCP = relays.map((relay) => ({ ...relay, urls: [relay.urls].flat().filter((url) => /^turns:(?!.*transport=udp)|transport=tcp$/i.test(url)) }));
    return { iceServers: byTCP.filter(({ urls }) => urls.length), iceTransportPolicy: "relay" };
}

/** What is told to a connection that may go one of these ways of the studio's description. */
export function descriptionFor(way, sdp) {
    return way === "tcp" ? sdp.replace(/^a=candidate:\S+ \d+ udp .*\r?\n/gim, "") : sdp;
}

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
