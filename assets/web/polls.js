// The poll cards: shown, voted on, closed, with their tally. Only textContent, never markup from outside.

import { Problem, jitter, pause, request } from "/assets/client.js";

/** Makes an element with properties and children. */
export function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === "dataset") Object.assign(made.dataset, value);
        else made[name] = value;
    }
    made.append(...children);
    return made;
}

/** Draws a tally into a list; `mine` are the options of the one who looks. */
export function drawTally(list, poll, tally, mine = []) {
    const most = Math.max(1, Object.values(tally).reduce((sum, count) => sum + count, 0));
    list.replaceChildren(...poll.options.map((option) => {
        const count = tally[option.id] ?? 0;
        const line = element("li", {},
            element("span", { textContent: option.text }),
            element("span", { className: "muted", textContent: `${Math.round((100 * count) / most)} %` }),
            element("span", { className: "votes", textContent: String(count), dataset: { votes: option.id } }));
        line.style.setProperty("--share", count / most);
        if (mine.includes(option.id)) line.dataset.mine = "";
        return line;
    }));
}

/** One poll on the page. Its state: `open`, `sending`, `voted`, `closed`. */
export class PollCard {
    #path; #programTime; #announce; #results = null; #mine; #form; #list; #note; #error; #button;

    constructor(event, poll, { programTime, announce }) {
        this.poll = poll;
        this.#path = `/v1/events/${event}/polls/${poll.id}`;
        this.#programTime = programTime;
        this.#announce = announce;
        this.#mine = JSON.parse(sessionStorage.getItem(this.#key) ?? "null");
        this.element = this.#build();
        this.#set(this.#mine ? "voted" : "open");
    }

    get #key() { return `vote:${this.poll.id}:${this.poll.run}`; }
    get state() { return this.element.dataset.state; }

    #build() {
        const { poll } = this;
        const heading = `poll-${poll.id}`;
        this.#button = element("button", { type: "submit", className: "primary", textContent: "Vote", disabled: true });
        this.#note = element("p", { className: "muted" });
        this.#error = element("p", { className: "error" });
        this.#error.setAttribute("role", "alert");
        this.#list = element("ul", { className: "tally", hidden: true });
        const options = poll.options.map((option) => element("label", { dataset: { option: option.id } },
            element("input", { type: "radio", name: heading, value: option.id }),
            element("span", { textContent: option.text })));
        const fields = element("fieldset", {}, element("legend", { id: heading, textContent: poll.question }), ...options);
        this.#form = element("form", { className: "stack" }, fields, element("div", { className: "row" }, this.#button));
        this.#form.onchange = () => { this.#button.disabled = this.state === "sending"; };
        this.#form.onsubmit = (submission) => {
            submission.preventDefault();
            this.#vote(new FormData(this.#form).get(heading));
        };
        const card = element("section", { className: "card stack poll", dataset: { poll: poll.id } },
            this.#form, element("h3", { textContent: poll.question, hidden: true }), this.#list, this.#note, this.#error);
        card.setAttribute("aria-labelledby", heading);
        return card;
    }

    #set(state) {
        this.element.dataset.state = state;
        const mayVote = state === "open" || state === "sending";
        this.#form.hidden = !mayVote;
        this.element.querySelector("h3").hidden = mayVote;
        for (const input of this.#form.elements) input.disabled = state === "sending";
        if (state === "open") this.#button.disabled = !this.#form.querySelector(":checked");
        this.#show();
    }

    #show() {
        const mayLook = this.state === "voted" || this.state === "closed";
        this.#list.hidden = !(mayLook && this.#results);
        if (!this.#list.hidden) drawTally(this.#list, this.poll, this.#results.tally, this.#mine ?? []);
        this.tick();
    }

    /** Brings the remaining time up to date, and closes the card when its time is over on the program clock. */
    tick(playhead = this.#programTime()) {
        const left = this.poll.closeAt ? this.poll.closeAt - playhead : null;
        if (left !== null && left <= 0 && this.state === "open") return this.#set("closed");
        const seconds = left === null || left <= 0 ? "" : ` · ${Math.ceil(left / 1000)} s left`;
        const count = this.#results ? `${this.#results.voters} ${this.#results.voters === 1 ? "vote" : "votes"}` : "";
        const text = {
            open: `Open${seconds}`,
            sending: "Sending your vote…",
            voted: (this.#results ? count : "Your vote is counted") + seconds,
            closed: ["Closed", count, this.#results?.provisional ? "not final yet" : ""].filter(Boolean).join(" · "),
        }[this.state];
        if (this.#note.textContent !== text) this.#note.textContent = text;
    }

    /** Takes a newer tally. */
    update(results) {
        if (results.run !== this.poll.run) return;
        const isFinal = this.state === "closed" && this.#results?.provisional !== false && results.provisional === false;
        this.#results = results;
        this.#show();
        if (isFinal) this.#announce(`Final result: ${this.#inWords()}`);
    }

    #inWords() {
        return this.poll.options.map((option) => `${option.text}: ${this.#results.tally[option.id] ?? 0}`).join(", ");
    }

    close(closeAt) {
        this.poll = { ...this.poll, closeAt };
        if (this.state === "closed") return;
        const wasOpen = this.state === "open";
        this.#set("closed");
        if (wasOpen) this.#announce(`The poll is closed: ${this.poll.question}`);
        this.#look();
    }

    /** Opens it again. */
    reopen(poll) {
        this.poll = poll;
        this.#set(this.#mine ? "voted" : "open");
    }

    /** Asks for results that are each person's own to see, and not in the timeline. */
    async #look() {
        if (this.poll.resultsVisibility === "live" || this.poll.resultsVisibility === "never") return;
        try {
            const results = await request("GET", `${this.#path}/results`);
            if (results?.tally) this.update({ run: this.poll.run, ...results });
        } catch { /* not ours to see yet: the timeline brings them, or nobody sees them */ }
    }

    async #vote(option) {
        if (!option || this.state !== "open") return;
        this.#error.textContent = "";
        // A vote belongs to the moment in the program at which it was given, however long its way takes.
        const ballot = { choices: [option], playhead: Math.round(this.#programTime()) };
        this.#set("sending");
        for (let attempt = 0; ; attempt++) {
            try {
                await request("PUT", `${this.#path}/ballots/me`, ballot);
                break;
            } catch (problem) {
                if (problem.isPassing && attempt < 4) {
                    await pause((problem.retryAfterMs ?? 500 * 2 ** attempt) + jitter(500));
                    continue;
                }
                return this.#refused(problem, option);
            }
        }
        this.#keep([option]);
        this.#announce("Your vote is counted.");
        this.#look();
    }

    #keep(choices) {
        this.#mine = choices;
        sessionStorage.setItem(this.#key, JSON.stringify(choices));
        // It may have closed meanwhile: the vote counted all the same.
        if (this.state !== "closed") this.#set("voted");
        this.tick();
    }

    #refused(problem) {
        this.#error.textContent = problem instanceof Problem ? problem.message : "The vote could not be sent.";
        if (problem.status === 409 && problem.type.includes("already-voted")) this.#keep([]);
        else if (problem.status === 409) this.#set("closed");
        else if (this.state !== "closed") this.#set("open");
    }
}
