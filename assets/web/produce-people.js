// The people on the producer's desk: who is here, on stage or off, muted or not; and links for those to come.

import { request } from "/assets/client.js";
import { $, announce, attempt, base, repeat } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { Form } from "/assets/produce-forms.js";
import { nameInLowerThird } from "/assets/produce-lower.js";

const rows = new Map();
let here = [];

/** Who is here, as the studio said last. */
export const people = () => here;

/** One line: a name, what they send, and their buttons. */
class Person {
    constructor(id) {
        this.path = encodeURIComponent(id);
        this.name = element("strong");
        this.sends = element("span", { className: "muted" });
        this.stage = element("button", { type: "button" });
        this.mute = element("button", { type: "button" });
        this.silence = element("button", { type: "button" });
        this.lower = element("button", { type: "button", textContent: "Name" });
        this.error = element("p", { className: "error" });
        this.error.setAttribute("role", "alert");
        this.element = element("li", { className: "card item", dataset: { participant: id } },
            element("span", { className: "who" }, this.name, this.sends), this.stage, this.mute, this.silence, this.lower, this.error);
        this.stage.onclick = () => this.#change(async () => {
            const { onStage } = this.person;
            await request(onStage ? "DELETE" : "PUT", `${base}/stage/${this.path}`);
            announce(`${this.label} is ${onStage ? "off stage" : "on stage"}.`);
        }, this.stage);
        this.mute.onclick = () => this.#change(async () => {
            const muted = !this.person.muted;
            await request("PATCH", `${base}/participants/${this.path}`, { muted });
            announce(`${this.label} is ${muted ? "muted" : "heard"} in the program.`);
        }, this.mute);
        this.silence.onclick = () => this.#change(async () => {
            const mutedInRoom = !this.person.mutedInRoom;
            await request("PATCH", `${base}/participants/${this.path}`, { mutedInRoom });
            announce(`${this.label} is ${mutedInRoom ? "silent" : "heard"} in the room.`);
        }, this.silence);
        this.lower.onclick = () => nameInLowerThird(this.label, this.person.title);
    }

    get label() { return this.person.name || "Speaker"; }

    async #change(work, button) {
        await attempt(this.error, work, button);
        await refreshPeople();
    }

    draw(person) {
        this.person = person;
        this.name.textContent = this.label;
        const words = { camera: "camera", microphone: "microphone", screen: "screen", screenAudio: "screen sound" };
        const sent = (person.tracks ?? []).map(({ source, muted }) => `${words[source] ?? source}${muted ? " (off)" : ""}`);
        this.sends.textContent = [person.hidden ? "hidden" : "", person.dominant ? "speaks" : "", person.title, sent.join(", ") || "sends nothing"].filter(Boolean).join(" · ");
        this.element.toggleAttribute("data-on-stage", Boolean(person.onStage));
        this.element.toggleAttribute("data-dominant", Boolean(person.dominant));
        for (const button of [this.stage, this.mute, this.silence, this.lower]) button.hidden = Boolean(person.hidden);
        // Labels say what a button will do, and whom it is about.
        this.stage.textContent = person.onStage ? "Take off stage" : "Put on stage";
        this.stage.className = person.onStage ? "" : "primary";
        this.mute.textContent = person.muted ? "Unmute" : "Mute";
        this.silence.textContent = person.mutedInRoom ? "Let speak" : "Silence";
        for (const button of [this.stage, this.mute, this.silence]) button.setAttribute("aria-label", `${button.textContent}: ${this.label}`);
        this.lower.setAttribute("aria-label", `Name ${this.label} in the lower third`);
    }
}

/** Brings the list of people up to date. */
export async function refreshPeople() {
    const { items } = await request("GET", `${base}/participants`);
    here = items;
    for (const [id, row] of rows) {
        if (items.some((person) => person.id === id)) continue;
        row.element.remove();
        rows.delete(id);
    }
    for (const person of items) {
        if (!rows.has(person.id)) {
            rows.set(person.id, new Person(person.id));
            $("people").append(rows.get(person.id).element);
        }
        rows.get(person.id).draw(person);
    }
    $("nobody").hidden = items.length > 0;
    drawLock(await request("GET", `${base}/room`));
}

// The door

let isLocked = false;

function drawLock({ locked }) {
    isLocked = locked;
    $("lock").textContent = locked ? "Let people in" : "Lock the room";
    $("locked").hidden = !locked;
}

$("lock").onclick = () => attempt($("lock-error"), async () => {
    drawLock(await request("PATCH", `${base}/room`, { locked: !isLocked }));
    announce(isLocked ? "The room is locked." : "The room is open.");
}, $("lock"));

// Links for those to come

const invite = new Form({
    id: "invite", submit: "Make a link", title: "Invite a speaker",
    rows: [
        [{ name: "name", id: "invite-name", label: "Name", attributes: { maxlength: 100, placeholder: "Who has none chooses one" } }],
        [{ name: "slides", label: "May turn the slides", kind: "check" }],
        [{ name: "hidden", label: "Hidden: sees and hears, is not seen", kind: "check" }],
    ],
    onsubmit: async (values) => {
        const body = { role: "speaker" };
        if (values.name) body.name = values.name;
        const can = ["slides", "hidden"].filter((word) => values[word]);
        if (can.length) body.can = can;
        const { url } = await request("POST", `${base}/invitations`, body);
        const isDone = invite.resetAfter(values);
        link.value = url;
        made.hidden = false;
        // Who writes the next name already goes on writing.
        if (isDone) link.select();
    },
});
const link = element("input", { id: "invite-url", className: "grow", readOnly: true });
link.setAttribute("aria-label", "Send this link to them");
const copy = element("button", { type: "button", id: "copy-invite", textContent: "Copy" });
const made = element("div", { className: "row", id: "invite-made", hidden: true }, link, copy);
invite.element.append(made);
$("invite-mount").replaceWith(invite.element);
copy.onclick = async () => {
    try {
        await navigator.clipboard.writeText(link.value);
        announce("The link is copied.");
    } catch {
        link.select();
    }
};

/** Begins to follow who is here. */
export function startPeople() { repeat(refreshPeople, 1500); }
