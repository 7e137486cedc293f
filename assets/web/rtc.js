// A page's way into a room: signalling, a connection that publishes, one that subscribes, and the way back to both.

import { Problem, jitter, request } from "/assets/client.js";
import { WITHOUT_UDP, configurationOf, connected, descriptionFor, recovered } from "/assets/connections.js";
import { codecsOf, prefer, tracksOf } from "/assets/descriptions.js";
import { ShownSizes, encodingsOf } from "/assets/layers.js";
import { Relays } from "/assets/relays.js";
import { Succession, flow, moving } from "/assets/rotation.js";
import { REPLY_MS, Signalling } from "/assets/signalling.js";

/** A connection that says `disconnected` may still heal by itself; after this it is made anew. */
const DISCONNECTED_MS = 4000;
/** For how long it is tried to take old sessions over. */
const RESUME_MS = 25_000;
/** How soon a change of keys that failed is tried again. */
const ROTATE_AGAIN_MS = 30_000;
/** The socket is closed because the page leaves, not because something broke. */
const GOODBYE = 1000;
/** Something broke, and the page comes back with other connections. */
const COMES_BACK = 4000;

/**
 * Being in a room. A socket that is lost is opened again for the same sessions, a connection whose path is lost looks for
 * another with the same keys, and media goes on meanwhile. When that does not help, or the media server is lost, the page
 * comes back by itself: as the same person, with new connections, after a short wait that differs from page to page.
 *
 * Handlers: `onState("joining" | "joined" | "rejoining" | "refused" | "left", problem?)`, `onChange()` when participants
 * or received tracks have changed.
 */
export class Room {
    #event; #handlers; #codec; #scalability; #signalling = null; #round = 0; #attempts = 0; #retry; #subscribedIn = 0;
    #sent = new Map(); #muted = new Set(); #transceivers = new Map();
    #publishing = Promise.resolve(); #answering = Promise.resolve(); #word = null; #resuming = 0; #healing = new Set();
    #sizes = new ShownSizes(async (layers) => {
        // Before that there is nobody to tell; joining tells them.
        if (this.state === "joined" && this.#signalling) await this.#signalling.request({ layers });
    });
    state = "joining"; joins = 0; resumes = 0; restarts = 0; rotations = 0;
    me = null; participants = []; received = []; speaker = null; limits = {};
    publishConnection = null; subscribeConnection = null;
    #relays;
    #moving = null; #next = null; #rotation;
    /** The way that connections may take (`WITHOUT_UDP`), or null for any; and whether another one is looked for. */
    #way = null; #leaving = false;

    /**
     * `codec` is how pictures are sent where the browser can: `vp8` (what everybody can show), `vp9` or `h264`; with
     * `scalability` (a mode of WebRTC-SVC such as `L3T3_KEY`) a camera in VP9 comes in layers.
     */
    constructor(event, handlers, codec = "vp8", scalability = null) {
        this.#scalability = scalability;
        this.#event = event;
        this.#codec = codec;
        this.#handlers = handlers;
        this.#relays = new Relays(event, {
            isNeeded: () => this.state !== "left" && this.state !== "refused", onRenewed: () => this.#useRelays(),
        });
    }

    /** Joins with tracks by source: `{camera, microphone}`. */
    start(tracks) {
        for (const [source, track] of Object.entries(tracks)) if (track) this.#sent.set(source, track);
        this.#setState("joining");
        this.#enter(++this.#round);
    }

    /** Begins or (with null) ends to send a source; negotiates again on the same connection. */
    async send(source, track) {
        if (track) this.#sent.set(source, track);
        else this.#sent.delete(source);
        if (!track) this.#muted.delete(source);
        if (!this.publishConnection && this.state !== "joined") return; // the rejoin under way takes it along
        const round = this.#round;
        try {
            await this.#publish(round);
        } catch (problem) {
            if (round === this.#round && problem.status === 0) this.#again();
            if (round === this.#round) throw problem;
        }
    }

    /** Mutes at the source, so that nothing leaves this machine, and tells the others. */
    async mute(source, muted) {
        if (muted) this.#muted.add(source);
        else this.#muted.delete(source);
        const track = this.#sent.get(source);
        if (track) track.enabled = !muted;
        // Without a socket it is told when there is one again.
        if (this.state !== "joined" || !this.#signalling) return;
        try {
            await this.#signalling.request({ mute: { source, muted } });
        } catch (problem) {
            // Who is kept silent stays muted here too, so that nobody is heard by surprise when a producer lets go.
            if (problem.status === 409 && !muted) {
                this.#muted.add(source);
                if (track) track.enabled = false;
            }
            throw problem;
        }
    }

    /** Whether a producer keeps this person silent. */
    isSilenced = false;

    /** Says in how many pixels of the screen each received track is shown: `{TRACK: {width, height}}`; the rest is shown whole. */
    show(sizes) { this.#sizes.show(sizes); }

    isMuted(source) { return this.#muted.has(source); }

    leave() {
        this.#round++;
        this.#sizes.stop();
        clearTimeout(this.#retry);
        this.#relays.stop();
        // The reply has nothing to say to somebody who is gone.
        this.#signalling?.request({ leave: true }).catch(() => {});
        this.#closeConnections();
        this.#closeSocket();
        this.#setState("left");
    }

    /** How this browser has to go about sending, by the studio's table. */
    get #quirks() { return { avoids: [], layers: [], reusesSections: true, ...this.me?.quirks }; }

    #setState(state, problem) {
        this.state = state;
        this.#handlers.onState?.(state, problem);
    }

    async #enter(round) {
        try {
            if (this.#signalling) await this.#forget();
            else await this.#open(round);
            if (round !== this.#round) return;
            await this.#relays.find();
            if (round !== this.#round) return;
            if (this.#sent.size) await this.#publish(round);
            if (round !== this.#round) return;
            this.#subscribedIn = round;
            await this.#signalling.request({ subscribe: true });
            if (this.publishConnection) await connected(this.publishConnection);
            if (round !== this.#round) return;
            const muted = [...this.#muted];
            for (const source of muted) await this.#signalling.request({ mute: { source, muted: true } });
            if (round !== this.#round) return;
            this.#attempts = 0;
            this.joins++;
            this.#setState("joined");
            this.#sizes.reset();
            this.#planRotation(round);
            // What was unmuted meanwhile.
            for (const source of muted) if (!this.#muted.has(source)) this.mute(source, false).catch(() => {});
        } catch (problem) {
            if (round !== this.#round) return;
            if (problem.status === 401 || problem.status === 403) this.#refuse(problem);
            else this.#again({ keepsSocket: problem.status > 0, afterMs: problem.retryAfterMs ?? 0 });
        }
    }

    /** Gives up what the studio still holds for the connections of before. */
    async #forget() {
        try {
            await this.#signalling.request({ leave: true });
        } catch (problem) {
            // Gone already is as good; only without an answer there is no use in going on.
            if (problem.status === 0) throw problem;
        }
    }

    /** What looks for its next path does so by relays that let it in. */
    #useRelays() {
        for (const connection of [this.publishConnection, this.subscribeConnection]) {
            if (!connection || connection.signalingState === "closed") continue;
            const { iceServers } = configurationOf(this.#way, this.#relays.servers);
            connection.setConfiguration({ ...connection.getConfiguration(), iceServers });
        }
    }

    /** Opens the socket with a single-use ticket; resolves with the server's first words. */
    async #open(round) {
        const { ticket } = await request("POST", "/v1/tickets", { event: this.#event });
        if (round !== this.#round) return;
        const address = new URL(`/v1/events/${encodeURIComponent(this.#event)}/rtc`, location.href);
        address.protocol = address.protocol.replace("http", "ws");
        address.searchParams.set("ticket", ticket);
        await new Promise((resolve, reject) => {
            let isOpen = false;
            const timer = setTimeout(() => signalling.close(), REPLY_MS);
            const signalling = this.#signalling = new Signalling(address, {
                onMessage: (message) => {
                    if (signalling !== this.#signalling) return;
                    if (message.hello) {
                        clearTimeout(timer);
                        isOpen = true;
                        this.me = message.hello;
                        // Who has the floor is told anew, if anybody has it.
                        this.speaker = null;
                        this.limits = {};
                        this.#word = message.hello.resume ?? null;
                        resolve();
                    } else this.#receive(message);
                },
                onClose: (code) => {
                    clearTimeout(timer);
                    const isOurs = signalling === this.#signalling, stood = isOurs && isOpen;
                    if (isOurs) this.#signalling = null;
                    if (code === 4401 || code === 4403) {
                        if (isOurs) this.#refuse(new Problem(401, { title: "You may not come in any more." }));
                    } else if (stood && this.state !== "refused") this.#lost();
                    reject(new Problem(0, { title: "The studio can't be reached." }));
                },
            });
        });
    }

    /** The socket is gone. Media may well go on, so nothing is made anew before the studio has said that it must. */
    #lost() {
        if (this.#resuming === this.#round) return; // who tries already will see it
        for (const one of [this.#moving, this.#next]) one?.giveUp("the studio is away");
        const word = this.#word;
        this.#word = null;
        if (this.state !== "joined" || !word || !this.subscribeConnection && !this.publishConnection) this.#again();
        else this.#resume(this.#round, word, performance.now() + RESUME_MS);
    }

    async #resume(round, word, end) {
        this.#resuming = round;
        try {
            await this.#tryToResume(round, word, end);
        } finally {
            if (this.#resuming === round) this.#resuming = 0;
        }
    }

    async #tryToResume(round, word, end) {
        for (let attempt = 0; ; attempt++) {
            // One that was cut by hand finds the studio at once; many that were cut together come one after the other.
            await new Promise((done) => setTimeout(done, 100 + jitter(Math.min(3000, 300 * 2 ** attempt))));
            if (round !== this.#round) return;
            try {
                await this.#open(round);
                if (round !== this.#round) return;
                await this.#signalling.request({ resume: word });
                if (round !== this.#round) return;
                this.resumes++;
                this.#sizes.reset();
                for (const source of this.#sent.keys()) {
                    // A refusal says something of the track, and nothing of the sessions.
                    await this.#signalling?.request({ mute: { source, muted: this.isMuted(source) } })
                        .catch((problem) => { if (problem.status === 0) throw problem; });
                }
                return;
            } catch (problem) {
                if (round !== this.#round) return;
                if (problem.status === 401 || problem.status === 403) return this.#refuse(problem);
                const isFinal = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
                if (isFinal || performance.now() > end) return this.#again({ keepsSocket: isFinal && this.#signalling !== null });
                // What stands now, if anything, has nothing to do with the sessions.
                this.#closeSocket(COMES_BACK);
            }
        }
    }

    /** A path to the media server is lost: another may be found with the same keys and tracks. */
    async #heal(round, connection) {
        // One that another has taken the place of needs nothing more.
        const isHeld = () => [this.publishConnection, this.subscribeConnection].includes(connection);
        if (round !== this.#round || this.#healing.has(connection) || !isHeld()) return;
        const again = () => {
            if (round !== this.#round || !isHeld()) return;
            // It may be the way without UDP that does not go on.
            this.#way = null;
            this.#again({ keepsSocket: true });
        };
        if (this.state !== "joined" || !this.#signalling) return again();
        this.#healing.add(connection);
        try {
            if (connection === this.publishConnection) await this.#publish(round, { iceRestart: true });
            else await this.#signalling.request({ restart: true });
            await recovered(connection);
            if (round === this.#round) this.restarts++;
        } catch {
            again();
        } finally {
            this.#healing.delete(connection);
        }
    }

    #know(participants) {
        this.participants = participants;
        // On the way back they are not in the list for a moment: that lets nobody speak.
        const mine = participants.find(({ id }) => id === this.me?.participant);
        if (mine) this.isSilenced = Boolean(mine.mutedInRoom);
        this.#handlers.onChange?.();
    }

    #receive(message) {
        if (message.participants) this.#know(message.participants);
        if (message.changes) {
            const known = new Map(this.participants.map((person) => [person.id, person]));
            for (const id of message.changes.left) known.delete(id);
            for (const person of message.changes.participants) known.set(person.id, person);
            this.#know([...known.values()].sort((one, other) => (one.id < other.id ? -1 : 1)));
        }
        if (message.speaker) {
            this.speaker = message.speaker.participant ?? null;
            this.#handlers.onChange?.();
        }
        if (message.limits) {
            this.limits = message.limits;
            this.#handlers.onChange?.();
        }
        const round = this.#round;
        // An offer of the connection before has nobody any more who could answer it.
        if (message.offer && this.#subscribedIn === round) {
            const connection = this.subscribeConnection;
            this.#answering = this.#answering.then(() => this.#answer(round, message.offer)).catch(() => {
                // Without a socket nothing was wrong with it: it comes again with the next one.
                const isReplaced = connection && connection !== this.subscribeConnection;
                if (round === this.#round && this.#signalling && !isReplaced) this.#again({ keepsSocket: true });
            });
        }
        if (message.rotation) this.#hearRotation(round, message.rotation);
        if (message.lossy) this.#leaveUDP(round);
        if (message.rejoin) this.#again({ keepsSocket: true });
    }

    /** Offers what is to be sent now; one negotiation after the other. */
    #publish(round, options) {
        // What people do comes first: other keys can wait.
        this.#moving?.giveUp("there is something else to send");
        const turn = this.#publishing.then(async () => {
            if (round !== this.#round) return;
            const connection = this.publishConnection ??= this.#makeConnection(round);
            await this.#place(connection, this.#transceivers);
            await this.#negotiate(round, connection, this.#transceivers, (publish) => ({ publish }), options);
        });
        this.#publishing = turn.catch(() => {});
        return turn;
    }

    /** Offers what a connection sends, in the words of a request, and takes the answer. */
    async #negotiate(round, connection, transceivers, words, options) {
        await connection.setLocalDescription(await connection.createOffer(options));
        const sources = {};
        for (const [source, transceiver] of transceivers) if (this.#sent.has(source)) sources[transceiver.mid] = source;
        if (!this.#signalling) throw new Problem(0, { title: "The studio can't be reached." });
        const { answer } = await this.#signalling.request(words({ offer: connection.localDescription.sdp, sources }));
        if (round !== this.#round) return;
        await connection.setRemoteDescription({ type: "answer", sdp: descriptionFor(this.#way, answer) });
    }

    /** Gives every source a transceiver of its own; one that is not sent rests until it is again. */
    async #place(connection, transceivers) {
        for (const [source, transceiver] of transceivers) {
            if (this.#sent.has(source)) continue;
            if (!this.#quirks.reusesSections) {
                transceiver.stop();
                transceivers.delete(source);
                continue;
            }
            transceiver.direction = "inactive";
            await transceiver.sender.replaceTrack(null);
        }
        for (const [source, track] of this.#sent) {
            const known = transceivers.get(source);
            if (known) {
                known.direction = "sendonly";
                await known.sender.replaceTrack(track);
                continue;
            }
            const isVideo = track.kind === "video";
            const codec = this.#quirks.avoids.includes(this.#codec) ? "vp8" : this.#codec;
            if (isVideo) track.contentHint = source === "screen" ? "detail" : "motion";
            const transceiver = connection.addTransceiver(track, {
                direction: "sendonly", streams: [new MediaStream([track])],
                sendEncodings: isVideo ? encodingsOf(source, track, codec, this.#quirks.layers, this.#scalability) : undefined,
            });
            if (isVideo) prefer(transceiver, codec);
            transceivers.set(source, transceiver);
        }
    }

    /** Answers an offer; `next` is the connection that is to take over, where the offer is for that one. */
    async #answer(round, sdp, next = null) {
        if (round !== this.#round) return;
        const connection = next?.connection ?? (this.subscribeConnection ??= this.#makeConnection(round));
        await connection.setRemoteDescription({ type: "offer", sdp: descriptionFor(this.#way, sdp) });
        await connection.setLocalDescription(await connection.createAnswer());
        if (round !== this.#round) return;
        const tracks = tracksOf(sdp), offered = codecsOf(sdp), taken = codecsOf(connection.localDescription.sdp);
        // The studio names a track's own codec first; without it nothing of the track comes.
        const lacks = (mid) => {
            const codec = offered.get(mid)?.[0];
            return codec && !taken.get(mid)?.includes(codec) ? codec : null;
        };
        const received = connection.getTransceivers().filter(({ mid }) => tracks.has(mid))
            .map(({ mid, receiver }) => ({ ...tracks.get(mid), receiver, track: receiver.track, lacks: lacks(mid) }));
        if (next) next.received = received;
        // While the next one's are shown already, the one before has nothing to show and nothing to say.
        else if (this.#next?.isShown) return;
        if (!next || next.isShown) {
            this.received = received;
            this.#handlers.onChange?.();
        }
        const answer = connection.localDescription.sdp;
        await this.#signalling?.request(next ? { rotate: { answer } } : { answer });
    }

    // Other keys: second connections are made, and take over while the first ones still stand.

    #planRotation(round, afterMs = this.me?.rotateMs) {
        clearTimeout(this.#rotation);
        const wait = Math.min(afterMs, this.me?.rotateMs);
        // Pages that came together don't all do it together.
        if (wait) this.#rotation = setTimeout(() => this.#rotate(round), wait * 0.9 + jitter(wait * 0.1));
    }

    async #rotate(round) {
        const isQuiet = this.state === "joined" && this.#signalling && !this.#healing.size && this.#resuming !== round;
        if (round !== this.#round) return;
        if (!isQuiet) return this.#planRotation(round, ROTATE_AGAIN_MS);
        try {
            await this.#replacePublishing(round);
            if (round === this.#round) await this.#replaceSubscribing(round);
            if (round !== this.#round) return;
            this.rotations++;
            this.#planRotation(round);
            return true;
        } catch (problem) {
            if (round !== this.#round) return;
            // What stands goes on with its keys.
            console.warn("The connections could not be replaced.", problem);
            this.#planRotation(round, ROTATE_AGAIN_MS);
        }
    }

    /** UDP loses much however little is sent: other connections are made without it, and take over as those with other keys do. */
    async #leaveUDP(round) {
        // The studio says it again.
        if (this.#way || this.#leaving || this.#moving || this.#next) return;
        this.#leaving = true;
        clearTimeout(this.#rotation);
        for (const way of WITHOUT_UDP) {
            if (way === "relay" && !configurationOf(way, this.#relays.servers).iceServers.length) continue;
            this.#way = way;
            if (await this.#rotate(round)) break;
            clearTimeout(this.#rotation);
            this.#way = null;
            if (round !== this.#round) break;
        }
        this.#leaving = false;
        if (!this.#way && round === this.#round) this.#planRotation(round);
    }

    /** A second connection sends the same tracks; the media server moves everybody over, and ends the session of before. */
    #replacePublishing(round) {
        const turn = this.#publishing.then(async () => {
            if (round !== this.#round || !this.publishConnection || !this.#sent.size) return;
            const transceivers = new Map(), moving = this.#moving = new Succession(this.publishConnection, this.#makeConnection(round));
            try {
                await this.#place(moving.connection, transceivers);
                await this.#negotiate(round, moving.connection, transceivers, (publish) => ({ rotate: { publish } }));
                await moving.finish();
            } catch (problem) {
                // It may have taken over while that was said: the studio's word comes before the reply.
                if (round === this.#round) await this.#signalling?.request({ rotate: { done: false } }).catch(() => {});
                if (!moving.isDone) {
                    if (this.#moving === moving) this.#moving = null;
                    moving.connection.close();
                    // What has happened to it meanwhile was not looked at.
                    moving.before.onconnectionstatechange?.();
                    throw problem;
                }
            }
            if (this.#moving === moving) this.#moving = null;
            if (round !== this.#round) return moving.connection.close();
            this.publishConnection = moving.connection;
            this.#transceivers = transceivers;
            moving.before.close();
            moving.connection.onconnectionstatechange?.();
        });
        this.#publishing = turn.catch(() => {});
        return turn;
    }

    /** A second connection gets the same tracks; when all that came on the first comes there too, it is shown instead. */
    async #replaceSubscribing(round) {
        const before = this.subscribeConnection;
        if (!before || !this.received.length) return;
        const next = this.#next = Object.assign(new Succession(before, this.#makeConnection(round)), { received: [], isShown: false, answering: Promise.resolve() });
        try {
            const flowing = await moving(before);
            if (!this.#signalling) throw new Problem(0, { title: "The studio can't be reached." });
            await this.#signalling.request({ rotate: { subscribe: true, layers: this.#sizes.told ?? {} } });
            await next.until(connected(next.connection));
            await next.until(flow(next.connection, flowing));
            if (round !== this.#round || !this.#signalling) throw new Problem(0, { title: "The studio can't be reached." });
            next.isShown = true;
            this.received = next.received;
            this.#handlers.onChange?.();
            await this.#signalling.request({ rotate: { done: true } });
        } catch (problem) {
            if (next.isDone) return;
            if (this.#next === next) this.#next = null;
            next.connection.close();
            if (round !== this.#round) throw problem;
            if (next.isShown) this.#again({ keepsSocket: this.#signalling !== null });
            else {
                before.onconnectionstatechange?.();
                await this.#signalling?.request({ rotate: { done: false } }).catch(() => {});
            }
            throw problem;
        }
    }

    /** The studio's word on a second connection. */
    #hearRotation(round, { offer, published, subscribed, ended }) {
        const next = this.#next;
        if (offer && next) {
            // When it fails the connection never stands, or what is missing comes with the next offer.
            next.answering = next.answering.then(() => this.#answer(round, offer, next)).catch((problem) => next.giveUp(problem));
        }
        if (published) this.#moving?.take();
        if (subscribed && next) {
            next.take();
            this.#next = null;
            this.subscribeConnection = next.connection;
            // An offer that is under way is one of this session, whose names and answers have not changed.
            this.#answering = next.answering;
            next.before.close();
            this.#sizes.reset();
            next.connection.onconnectionstatechange?.();
        }
        if (ended) (this.#moving ?? next)?.giveUp(ended);
    }

    #makeConnection(round) {
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configurationOf(this.#way, this.#relays.servers) });
        let timer;
        connection.onconnectionstatechange = () => {
            clearTimeout(timer);
            // A connection whose place is being taken, and the one that takes it, are looked after by whoever changes them.
            if (round !== this.#round || ![this.publishConnection, this.subscribeConnection].includes(connection)) return;
            if ([this.#moving?.before, this.#next?.before].includes(connection)) return;
            const { connectionState: state } = connection;
            if (state === "closed") this.#again({ keepsSocket: true });
            if (state === "failed") this.#heal(round, connection);
            if (state === "disconnected") timer = setTimeout(() => this.#heal(round, connection), DISCONNECTED_MS);
        };
        return connection;
    }

    #again({ keepsSocket = false, afterMs = 0 } = {}) {
        const round = ++this.#round;
        clearTimeout(this.#retry);
        // Where coming back without UDP has failed once, any way is tried.
        if (this.state !== "joined") this.#way = null;
        this.#closeConnections();
        if (!keepsSocket) this.#closeSocket(COMES_BACK);
        this.#setState(this.joins ? "rejoining" : "joining");
        const waitMs = afterMs + 500 + jitter(Math.min(2500, 500 * 2 ** Math.min(this.#attempts++, 8)));
        this.#retry = setTimeout(() => this.#enter(round), waitMs);
    }

    /** Who was inside and is let in no more was asked to leave, whether the page learns it from the socket or when it comes back. */
    #refuse(problem) {
        if (problem.status === 401 && this.joins) problem = new Problem(401, { title: "You were asked to leave." });
        this.#round++;
        clearTimeout(this.#retry);
        this.#relays.stop();
        this.#closeConnections();
        this.#closeSocket();
        this.#setState("refused", problem);
    }

    #closeConnections() {
        clearTimeout(this.#rotation);
        for (const one of [this.#moving, this.#next]) {
            one?.giveUp("the connections are made anew");
            one?.connection.close();
        }
        this.#moving = this.#next = null;
        this.publishConnection?.close();
        this.subscribeConnection?.close();
        this.publishConnection = this.subscribeConnection = null;
        this.#publishing = this.#answering = Promise.resolve();
        this.#transceivers.clear();
        this.received = [];
        this.#handlers.onChange?.();
    }

    #closeSocket(code = GOODBYE) {
        const signalling = this.#signalling;
        this.#signalling = this.#word = null;
        signalling?.close(code);
    }
}
