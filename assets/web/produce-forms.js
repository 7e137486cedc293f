// Forms of the producer's page, made from descriptions: labels, fields, buttons, and a place for each thing that is wrong.

import { attempt } from "/assets/console.js";
import { element } from "/assets/polls.js";

let made = 0;

function alertLine(id) {
    const line = element("p", { className: "error" });
    if (id) line.id = id;
    line.setAttribute("role", "alert");
    return line;
}

/**
 * One field with its label and its error line.
 *
 * `name` and `label` are needed; `kind` is an input's type, `select`, `textarea` or `check`; `id` where something refers to it;
 * `wide` makes it take what is left of its row; `options` are `[value, label]`; `value` is what it begins with; `attributes` go to the
 * control; `key` is the last part of the JSON pointer by which the studio names it, where that is not its name.
 */
function buildField({ name, label, id, kind = "text", wide = true, options, value, attributes = {}, onchange, onfocus }) {
    id ??= `field-${++made}`;
    const tag = ["select", "textarea"].includes(kind) ? kind : "input";
    const control = element(tag, { id, name });
    if (tag === "input") control.type = kind === "check" ? "checkbox" : kind;
    for (const [attribute, setting] of Object.entries(attributes)) control.setAttribute(attribute, setting);
    if (options) control.append(...options.map(([option, text]) => new Option(text, option)));
    if (kind === "check") control.defaultChecked = Boolean(value);
    else if (value !== undefined) tag === "select" ? control.value = value : control.defaultValue = value;
    if (onchange) control.onchange = onchange;
    if (onfocus) control.onfocus = onfocus;
    if (kind === "check") return { control, box: element("label", { className: "check" }, control, ` ${label}`), error: null };
    const error = alertLine(`${id}-error`);
    control.setAttribute("aria-describedby", error.id);
    const text = element("label", { textContent: label });
    text.htmlFor = id;
    return { control, error, box: element("div", { className: wide ? "field grow" : "field" }, text, control, error) };
}

/**
 * A form by its description: `{id, title, rows: [[field]], submit, buttons: [{label, id, ...properties}], status, within, onsubmit}`.
 *
 * `submit` is the label of the main button; without it there is none. `status` adds a line that says how things stand. `within` is
 * the JSON pointer of what the form describes: only what is wrong there is said at its fields.
 */
export class Form {
    constructor({ id, title, rows = [], submit, submitId, buttons = [], status = false, within = "", card = true, onsubmit }) {
        this.within = within;
        this.fields = {};
        this.keys = {};
        this.element = element("form", { className: card ? "card stack" : "stack" });
        if (id) this.element.id = id;
        this.element.autocomplete = "off";
        if (title) this.element.append(this.title = element("h3", { textContent: title }));
        for (const row of rows) this.element.append(this.#row(row));
        this.error = alertLine();
        this.element.append(this.error);
        this.buttons = buttons.map(({ label, ...properties }) => element("button", { type: "button", textContent: label, ...properties }));
        this.submit = submit ? element("button", { className: "primary", textContent: submit }) : null;
        if (submitId) this.submit.id = submitId;
        this.status = status ? element("span", { className: "muted" }) : null;
        this.status?.setAttribute("role", "status");
        const below = [this.submit, ...this.buttons, this.status].filter(Boolean);
        if (below.length) this.element.append(element("div", { className: "row" }, ...below));
        this.element.onsubmit = (submission) => {
            submission.preventDefault();
            if (onsubmit) this.attempt(() => onsubmit(this.values(), submission.submitter), this.submit, ...this.buttons);
        };
    }

    #row(row) {
        const boxes = row.map((description) => {
            const field = buildField(description);
            this.fields[description.name] = field;
            this.keys[description.key ?? description.name] = field;
            return field.box;
        });
        return boxes.length === 1 ? boxes[0] : element("div", { className: "row fields" }, ...boxes);
    }

    /** A field's control, by its name. */
    control(name) { return this.fields[name].control; }

    /** What is filled in, by name: texts without blanks around them, and whether boxes are ticked. */
    values() {
        return Object.fromEntries(Object.entries(this.fields).map(([name, { control }]) =>
            [name, control.type === "checkbox" ? control.checked : control.type === "file" ? control.files : control.value.trim()]));
    }

    /** Fills fields in. */
    fill(values) {
        for (const [name, value] of Object.entries(values)) {
            const { control } = this.fields[name];
            if (control.type === "checkbox") control.checked = Boolean(value);
            else control.value = value ?? "";
        }
    }

    /** Empties the form of what has been sent, and says whether it did: where somebody has filled in something else since, all stays. */
    resetAfter(sent) {
        const isAsSent = JSON.stringify(this.values()) === JSON.stringify(sent);
        if (isAsSent) this.element.reset();
        return isAsSent;
    }

    /** Whether somebody is at one of its fields. */
    get isInUse() { return this.element.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"); }

    /** Does something; what goes wrong is said at the field that the studio points to, else at the foot of the form. */
    attempt(work, ...buttons) {
        for (const { control, error } of Object.values(this.fields)) {
            if (error) error.textContent = "";
            control.removeAttribute("aria-invalid");
        }
        return attempt(this.error, async () => {
            try {
                return await work();
            } catch (problem) {
                const pointer = problem.pointer ?? "";
                const isHere = pointer.startsWith(`${this.within}/`);
                const field = this.fields[problem.field] ?? (isHere && this.keys[pointer.split("/").at(-1)]);
                if (!field?.error) throw problem;
                field.error.textContent = problem.message;
                field.control.setAttribute("aria-invalid", "true");
                field.control.focus();
            }
        }, ...buttons.filter(Boolean));
    }
}

/** Something that a field does not allow, said by the page itself. */
export function refuse(field, message) { return Object.assign(new Error(message), { field }); }

/** Replaces what can be chosen, unless it is the same: a list that is open under somebody's hand stays. */
export function fillOptions(select, options) {
    const before = select.value, known = [...select.options];
    const isSame = known.length === options.length
        && options.every(([value, label], index) => known[index].value === value && known[index].textContent === label);
    if (isSame) return;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    if (options.some(([value]) => value === before)) select.value = before;
}

/**
 * Keeps the lines of a list, each by its key, so that what somebody has the focus on is not replaced.
 *
 * `make(key)` returns an object with `element` and `draw(item)`.
 */
export class Lines {
    #list; #make; #lines = new Map();

    constructor(list, make) {
        this.#list = list;
        this.#make = make;
    }

    draw(items, keyOf = ({ id }) => id) {
        const keys = new Set(items.map(keyOf));
        for (const [key, line] of this.#lines) {
            if (keys.has(key)) continue;
            line.element.remove();
            this.#lines.delete(key);
        }
        for (const [index, item] of items.entries()) {
            const key = keyOf(item);
            if (!this.#lines.has(key)) this.#lines.set(key, this.#make(key));
            const line = this.#lines.get(key);
            if (this.#list.children[index] !== line.element) this.#list.insertBefore(line.element, this.#list.children[index] ?? null);
            line.draw(item);
        }
    }
}
