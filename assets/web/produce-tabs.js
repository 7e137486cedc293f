// The tabs of the producer's page: one panel is seen at a time, and arrow keys go from one to the next (WAI-ARIA, tabs).

import { $, event } from "/assets/console.js";

const tabs = [...$("tabs").children];
const followers = [];
const key = `tab:${event}`;

/** Shows a panel by its name, such as `overlays`. */
export function openTab(name) {
    for (const tab of tabs) {
        const isChosen = tab.id === `tab-${name}`;
        tab.setAttribute("aria-selected", String(isChosen));
        tab.tabIndex = isChosen ? 0 : -1;
        $(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
    sessionStorage.setItem(key, name);
    for (const follower of followers) follower(name);
}

/** Calls a function with the name of each panel that is opened. */
export function followTabs(follower) { followers.push(follower); }

/** Whether a panel is seen. */
export const isOpen = (name) => !$(`panel-${name}`).hidden;

/** Says a number at a tab: how much of what it holds is on. Nothing at 0. */
export function badge(name, count) {
    const tab = $(`tab-${name}`), text = count ? String(count) : "";
    if ((tab.dataset.badge ?? "") === text) return;
    if (text) tab.dataset.badge = text;
    else delete tab.dataset.badge;
}

for (const [index, tab] of tabs.entries()) {
    tab.onclick = () => openTab(tab.id.slice(4));
    tab.onkeydown = (press) => {
        const to = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[press.key];
        if (to === undefined) return;
        press.preventDefault();
        const next = tabs[to % tabs.length];
        openTab(next.id.slice(4));
        next.focus();
    };
}

const last = sessionStorage.getItem(key);
openTab(tabs.some(({ id }) => id === `tab-${last}`) ? last : "media");
