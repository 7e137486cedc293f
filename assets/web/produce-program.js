// The program on the producer's desk: its scene as the studio tells it, how it is changed, and the pictures of program and preview.

import { Problem, request, requestAll, requestTagged } from "/assets/client.js";
import { $, base, repeat, single } from "/assets/console.js";

/** What the program shows, as the studio said last; null before. */
export let program = null;
/** The layouts that scenes of the event may name. */
export let layouts = [];
let tag = null;
const followers = [];
// Counts what was taken over and changed, and changes under way: what was asked for before or during one tells what was.
let turn = 0, underway = 0;

/** The program's scene; refuses while it is not known. */
export function knownProgram() {
    if (!program) throw new Error("It is not known yet what the program shows.");
    return program;
}

/**
 * Calls a function with each scene that the program shows from now on; where this page has started its clip, with the program time
 * from which on it plays, and null where no program runs.
 */
export function followProgram(follower) { followers.push(follower); }

function accept(scene, etag, shownFrom) {
    turn++;
    program = scene;
    tag = etag;
    for (const follower of followers) follower(scene, shownFrom);
}

/** Brings the program's scene up to date. */
export const refreshProgram = single(async () => {
    const asked = turn;
    const { json, etag } = await requestTagged("GET", `${base}/program`);
    if (asked === turn && !underway) accept(json, etag);
});

/** Takes over what the program shows now, whatever else is under way. */
async function look(shownFrom) {
    const { json, etag } = await requestTagged("GET", `${base}/program`);
    accept(json, etag, shownFrom);
}

async function change(work) {
    turn++;
    underway++;
    try {
        return await work();
    } finally {
        turn++;
        underway--;
    }
}

/** Changes the program by another way than its scene, and looks what has become of it; `isClip` says that a clip may begin. */
export async function orderProgram(method, path, body, { headers, isClip = false } = {}) {
    await change(async () => {
        const answer = await request(method, path, body, headers);
        tellShown(answer);
        await look(isClip ? answer.programTime ?? null : undefined);
    });
}

/** Changes parts of the program's scene; says when that is seen. */
export async function changeProgram(changes, headers) {
    const { json, etag } = await change(() => requestTagged("PATCH", `${base}/program`, changes, headers));
    const { programTime, ready, ...scene } = json;
    tellShown({ programTime, ready });
    accept(scene, etag);
}

/** Changes what depends on what is there: `make(scene)` says how, and is asked again when somebody else was quicker. */
export async function editProgram(make) {
    for (let attempts = 0; ; attempts++) {
        try {
            return await changeProgram(make(knownProgram()), { "If-Match": tag });
        } catch (problem) {
            if (problem.status !== 412 || attempts === 3) throw problem;
            await look();
        }
    }
}

/** Says from when on a change is seen. */
export function tellShown({ programTime, ready }) {
    if (programTime === null || programTime === undefined) return $("shown").replaceChildren("Kept for when the program runs.");
    const moment = new Date(programTime).toISOString().slice(11, 23);
    $("shown").textContent = `Shown at ${moment} program time${ready === false ? "; a card stands in until everything is there." : "."}`;
}

// Pictures of what is out and what comes next

/** Keeps one picture up to date, whose path a function says: one request at a time, none while the page is hidden. */
export class Still {
    #picture; #blank; #pathOf; #address = null; #isWanted;

    constructor(name, pathOf, intervalMs, isWanted) {
        this.#picture = $(`${name}-picture`);
        this.#blank = $(`${name}-blank`);
        this.#pathOf = pathOf;
        this.#isWanted = isWanted;
        this.look = repeat(() => this.#look(), intervalMs);
    }

    async #look() {
        if (!this.#isWanted()) return this.#clear();
        let response;
        try {
            response = await fetch(this.#pathOf(), { credentials: "same-origin", cache: "no-store" });
        } catch {
            return this.#clear("The studio can't be reached.");
        }
        if (!response.ok) {
            const problem = new Problem(response.status, await response.json().catch(() => ({})));
            return this.#clear(problem.message);
        }
        const address = URL.createObjectURL(await response.blob());
        this.#picture.src = address;
        await this.#picture.decode().catch(() => {});
        if (this.#address) URL.revokeObjectURL(this.#address);
        this.#address = address;
        this.#picture.hidden = false;
        this.#blank.hidden = true;
    }

    #clear(text) {
        this.#picture.hidden = true;
        this.#blank.hidden = false;
        if (text) this.#blank.textContent = text;
    }
}

/** Begins to show and to follow the program; `isRunning()` says whether there is a picture to ask for. */
export async function startProgram(isRunning) {
    layouts = await requestAll(`${base}/layouts`);
    await refreshProgram();
    repeat(refreshProgram, 2000);
    new Still("program", () => `${base}/program.jpg`, 1000, isRunning);
}

/** Whether the program is live. */
export let isOnAir = false;

/** Says whether the program is live, and what stands in the place of its picture while there is none. */
export function sayProgramState(text, isLive) {
    isOnAir = isLive;
    $("program-blank").textContent = text;
    $("program-still").toggleAttribute("data-on-air", isLive);
}
