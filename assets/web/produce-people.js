// The people on the producer's desk: who is here, on stage or off, muted or not; and links for those to come.

import { request } from "/assets/client.js";
import { $, announce, attempt, base, repeat } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { nameInLowerThird } from "/assets/produce-program.js";

const rows = new Map();

/** One line: a name, what they send, and their buttons. */
class Person {
    constructor(id) {
        this.path = encodeURIComponent(id);
        this.name = element("strong");
        this.sends = element("span", { className: "muted" });
        this.stage = element("button", { type: "button" });
        this.mute = element("button", { type: "button" });
        this.lower = element("button", { type: "button", textContent: "Name" });
        this.error = element("p", { className: "error" });
        this.error.setAttribute("role", "alert");
        this.element = element("li", { className: "card item", dataset: { participant: id } },
            element("span", { className: "who" }, this.name, this.sends), this.stage, this.mute, this.lower, this.error);
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
        this.sends.textContent = [person.title, sent.join(", ") || "sends nothing"].filter(Boolean).join(" · ");
        this.element.toggleAttribute("data-on-stage", Boolean(person.onStage));
        // Labels say what a button will do, and whom it is about.
        this.stage.textContent = person.onStage ? "Take off stage" : "Put on stage";
        this.stage.className = person.onStage ? "" : "primary";
        this.mute.textContent = person.muted ? "Unmute" : "Mute";
        for (const button of [this.stage, this.mute]) button.setAttribute("aria-label", `${button.textContent}: ${this.label}`);
        this.lower.setAttribute("aria-label", `Name ${this.label} in the lower third`);
    }
}

async function refreshPeople() {
    const { items } = await request("GET", `${base}/participants`);
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
}

$("invite").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    const { name, slides } = Object.fromEntries(new FormData(form));
    const body = { role: "speaker" };
    if (name.trim()) body.name = name.trim();
    if (slides) body.can = ["slides"];
    attempt(form.querySelector(".error"), async () => {
        const { url } = await request("POST", `${base}/invitations`, body);
        form.reset();
        $("invite-url").value = url;
        $("invite-label").hidden = $("invite-made").hidden = false;
        $("invite-url").select();
    }, form.querySelector(".primary"));
};
$("copy-invite").onclick = async () => {
    try {
        await navigator.clipboard.writeText($("invite-url").value);
        announce("The link is copied.");
    } catch {
        $("invite-url").select();
    }
};

/** Begins to follow who is here. */
export function startPeople() { repeat(refreshPeople, 1500); }
