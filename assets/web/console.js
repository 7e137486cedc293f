// What the parts of the producer's page share: the event, its paths, and how a mistake is said.

export const event = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
export const base = `/v1/events/${encodeURIComponent(event)}`;
export const $ = (id) => document.getElementById(id);

/** Runs what a form or a button asks for; what goes wrong is said beside it. Returns undefined then. */
export async function attempt(error, work, ...buttons) {
    error.textContent = "";
    const focused = buttons.find((button) => button === document.activeElement);
    // What is off already is not ours to turn on again.
    const held = buttons.filter((button) => !button.disabled);
    for (const button of held) button.disabled = true;
    try {
        return await work();
    } catch (problem) {
        if (problem.status === 401) location.reload();
        error.textContent = problem.message;
    } finally {
        for (const button of held) button.disabled = false;
        // Who works with the keyboard stays where they were.
        if (focused && document.activeElement === document.body) focused.focus();
    }
}

// How far the studio's clock, which program time follows, is ahead of this browser's.
let aheadMs = 0;

/** Takes over the studio's time, as it was told just now. */
export function setClock(serverTime) {
    const time = Date.parse(serverTime);
    if (Number.isFinite(time)) aheadMs = time - Date.now();
}

/** The program time now, in milliseconds, to the accuracy of a message's way. */
export const programNow = () => Date.now() + aheadMs;

/** Whether a program time has just passed: what comes then is asked for at once, and later no more often than anything else. */
export function hasJustPassed(moment) {
    const overMs = programNow() - moment;
    return overMs > 0 && overMs < 5000;
}

/** A button for what can't be undone: the first press asks, a second one within four seconds does it. */
export function makeDeliberate(button, act) {
    const { textContent: label } = button;
    let timer = null;
    const disarm = () => {
        clearTimeout(timer);
        timer = null;
        button.textContent = label;
        button.classList.remove("armed");
    };
    button.onclick = () => {
        if (timer !== null) {
            disarm();
            return act();
        }
        button.textContent = "Really?";
        button.classList.add("armed");
        announce(`Press again: ${button.getAttribute("aria-label") ?? label}.`);
        timer = setTimeout(disarm, 4000);
    };
    button.onblur = () => { if (timer !== null) disarm(); };
    return button;
}

/** A length as people read it: 1:05, or 1:00:05. */
export function sayLength(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000)), two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes}:${two(seconds % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** Says something to those who listen to the page instead of looking at it. */
export function announce(text) {
    // A live region speaks when its content changes: the same text twice needs a break between.
    $("announcements").textContent = "";
    setTimeout(() => { $("announcements").textContent = text; }, 50);
}

/** Makes of a look at the studio one that is not begun while it is under way: who asks meanwhile waits for the same answer. */
export function single(look) {
    let running = null;
    return () => running ??= look().finally(() => { running = null; });
}

/**
 * Runs a look at the studio again and again, one after the other and never while the page is hidden; returns a function
 * that looks at once. What fails is tried again at the next turn.
 */
export function repeat(look, intervalMs) {
    let timer, running = null, isAsked = false;
    const turn = () => {
        clearTimeout(timer);
        if (running) {
            isAsked = true;
            return running;
        }
        const work = document.hidden ? Promise.resolve() : look();
        running = work.catch(() => {}).then(() => {
            running = null;
            if (isAsked) {
                isAsked = false;
                return turn();
            }
            timer = setTimeout(turn, intervalMs);
        });
        return running;
    };
    document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
    turn();
    return turn;
}
