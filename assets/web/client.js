// The pages' way to the studio: REST with problems as errors, signing in, and the live channel with resume.

/** An error answer of the studio (RFC 9457), or a connection that failed (status 0). */
export class Problem extends Error {
    constructor(status, body, retryAfterMs) {
        super(body.detail || body.title || `The studio answered ${status}.`);
        this.status = status;
        this.type = body.type ?? "";
        // The part of the request that was wrong (RFC 6901).
        this.pointer = body.pointer ?? "";
        this.retryAfterMs = retryAfterMs;
    }

    /** Whether the same request may go well a little later. */
    get isPassing() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

/**
 * Sends a request with the session's cookie; returns the answer's JSON, or null where it has none. A `Blob` goes as it
 * is, with the content type that `headers` say; anything else as JSON.
 */
export async function request(method, path, body, headers) {
    return (await requestTagged(method, path, body, headers)).json;
}

/** Like `request`, with the entity tag and the headers of the answer: `{json, etag, headers}`. */
export async function requestTagged(method, path, body, headers = {}) {
    let response;
    try {
        response = await fetch(path, {
            method,
            credentials: "same-origin",
            // A change by cookie needs a JSON content type, with or without a body.
            headers: method === "GET" ? headers : { "Content-Type": "application/json", ...headers },
            body: method === "GET" ? undefined : body instanceof Blob ? body : JSON.stringify(body ?? {}),
        });
    } catch {
        throw new Problem(0, { title: "The studio can't be reached." });
    }
    const text = await response.text();
    let json = null;
    try { json = text ? JSON.parse(text) : null; } catch { /* a proxy's page: the status says enough */ }
    if (response.ok) return { json, etag: response.headers.get("ETag"), headers: response.headers };
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Problem(response.status, json ?? {}, json?.retryAfterMs ?? (seconds > 0 ? seconds * 1000 : undefined));
}

/** All items of a list that comes in pages. */
export async function requestAll(path) {
    const found = [];
    let after = "";
    do {
        const { items, next } = await request("GET", `${path}?limit=200${after && `&after=${encodeURIComponent(after)}`}`);
        found.push(...items);
        after = next ?? "";
    } while (after);
    return found;
}

/** Full jitter: spreads clients that were all cut at one moment. */
export const jitter = (ms) => Math.random() * ms;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Makes a session of what somebody pasted: an invitation, a token, or a link that ends in either. */
export async function signIn(text) {
    const credential = text.trim().replace(/^.*[/#=]/s, "");
    const isToken = credential.split(".").length === 3;
    const session = await request("POST", "/v1/sessions", isToken ? { token: credential } : { invitation: credential });
    sessionStorage.setItem("session", JSON.stringify(session));
    return session;
}

/** Takes the credential out of the address, where it came after the #: servers and logs never see that part. */
export function takeCredential() {
    const credential = location.hash.slice(1);
    if (credential) history.replaceState(null, "", location.pathname + location.search);
    // Another link to this page, opened in the same tab, changes nothing but that part.
    addEventListener("hashchange", () => location.reload());
    return credential;
}

/** Shows the form that asks for an invitation; resolves when somebody was let in. */
export function askForCredential(gate) {
    const form = gate.querySelector("form");
    const error = gate.querySelector(".error");
    gate.hidden = false;
    return new Promise((resolve) => {
        form.onsubmit = async (submission) => {
            submission.preventDefault();
            error.textContent = "";
            try {
                const session = await signIn(form.elements.credential.value);
                form.reset();
                gate.hidden = true;
                resolve(session);
            } catch (problem) {
                error.textContent = problem.message;
            }
        };
    });
}

/**
 * The live channel: connects by a single-use ticket, comes back by itself with its positions, and hands on every entry
 * exactly once and in order.
 *
 * Handlers: `onHello(message)`, `onSnapshot(log, data)`, `onEntry(entry)`, `onState("open" | "lost" | "refused")`.
 */
export class LiveChannel {
    #event; #handlers; #socket; #attempts = 0; #reconnectAfterMs = 2000; #isStopped = false;
    positions = {};
    state = "lost";

    constructor(event, handlers) {
        this.#event = event;
        this.#handlers = handlers;
        this.#connect();
    }

    stop() {
        this.#isStopped = true;
        this.#socket?.close();
    }

    #setState(state) {
        this.state = state;
        this.#handlers.onState?.(state);
    }

    async #connect() {
        let ticket;
        try {
            ({ ticket } = await request("POST", "/v1/tickets", { event: this.#event }));
        } catch (problem) {
            if (problem.status === 401 || problem.status === 403) return this.#setState("refused");
            return this.#again(problem.retryAfterMs);
        }
        if (this.#isStopped) return;
        const resume = Object.entries(this.positions).map(([log, at]) => `${log}:${at.epoch}:${at.offset}`).join(",");
        const query = new URLSearchParams(resume ? { ticket, resume } : { ticket });
        const address = new URL(`/v1/events/${this.#event}/live?${query}`, location.href);
        address.protocol = address.protocol.replace("http", "ws");
        const socket = this.#socket = new WebSocket(address);
        socket.onmessage = (message) => this.#receive(JSON.parse(message.data));
        socket.onclose = (close) => {
            if (this.#isStopped || socket !== this.#socket) return;
            if (close.code === 4401) return this.#setState("refused");
            // 4429: too many connections of this person; 1012: the studio restarts, and all its clients come back.
            this.#again(close.code === 4429 ? 30_000 : undefined);
        };
    }

    async #again(afterMs) {
        this.#setState("lost");
        const ceiling = Math.min(30_000, this.#reconnectAfterMs * 2 ** Math.min(this.#attempts++, 5));
        await pause(afterMs ? afterMs + jitter(afterMs / 2) : jitter(ceiling));
        if (!this.#isStopped) this.#connect();
    }

    #receive(message) {
        if (message.kind === "hello") {
            this.#attempts = 0;
            this.#reconnectAfterMs = message.reconnectAfterMs ?? this.#reconnectAfterMs;
            this.#handlers.onHello?.(message);
            this.#setState("open");
        } else if (message.kind === "snapshot") {
            this.positions[message.log] = { epoch: message.epoch, offset: message.offset };
            this.#handlers.onSnapshot?.(message.log, message.data);
        } else if (message.log) {
            const known = this.positions[message.log];
            if (known && known.epoch === message.epoch && message.offset <= known.offset) return;
            this.positions[message.log] = { epoch: message.epoch, offset: message.offset };
            this.#handlers.onEntry?.(message);
        }
    }
}
