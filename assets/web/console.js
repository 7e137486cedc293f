// What the parts of the producer's page share: the event, its paths, and how a mistake is said.

export const event = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
export const base = `/v1/events/${encodeURIComponent(event)}`;
export const $ = (id) => document.getElementById(id);

/** Runs what a form or a button asks for; what goes wrong is said beside it. Returns undefined then. */
export async function attempt(error, work, ...buttons) {
    error.textContent = "";
    for (const button of buttons) button.disabled = true;
    try {
        return await work();
    } catch (problem) {
        if (problem.status === 401) location.reload();
        error.textContent = problem.message;
    } finally {
        for (const button of buttons) button.disabled = false;
    }
}

/** Says something to those who listen to the page instead of looking at it. */
export function announce(text) {
    // A live region speaks when its content changes: the same text twice needs a break between.
    $("announcements").textContent = "";
    setTimeout(() => { $("announcements").textContent = text; }, 50);
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
