// What happens at the collector, as it happens: one stream of events for the page.

import { shared } from "./view.js";
import { address } from "./api.js";

const EVENTS = ["trace", "update", "gone", "clear", "stats"];
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15000;
/** After so many seconds without counts nothing comes any more. */
const LONGEST_SECOND = 3;

/** The newest counts, null before the first. */
export const stats = shared(null);
/** Documents a second, by the last counts; null before the second ones. */
export const pace = shared(null);
/** "connecting", "open", "refused" if the collector tells of nothing that is asked so, or "lost". */
export const connection = shared("connecting");
/** Whether the reader has stopped the screens from changing. */
export const paused = shared(false);

const listeners = new Set();
/** @type {EventSource | null} */
let source = null;
let question = {};
let last = "";
let wait = FIRST_WAIT;
let timer = 0;
let quiet = 0;

/** Be told of events: listener(type, data). Gives a function that ends it. */
export function onLive(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Say which traces are of interest: {filter, group, run}. */
export function watch(next) {
  if (source && JSON.stringify(next) === JSON.stringify(question)) return;
  question = next;
  last = "";
  connect();
}

function connect() {
  clearTimeout(timer);
  source?.close();
  const hidden = document.visibilityState === "hidden";
  const opened = new EventSource(address("/api/v1/events", { ...question, only: hidden ? "stats" : null, after: last }));
  source = opened;
  opened.addEventListener("open", () => {
    wait = FIRST_WAIT;
    connection.set("open");
  });
  opened.addEventListener("error", () => {
    if (source !== opened) return;
    // The browser would try again for ever, and at once; what it asked with would be old by then, too.
    opened.close();
    // What was the matter isn't said.
    fetch("/health").then(({ ok }) => ok, () => false).then((answers) => source === opened && connection.set(answers ? "refused" : "lost"));
    timer = setTimeout(connect, wait);
    wait = Math.min(LONGEST_WAIT, wait * 2);
  });
  for (const type of EVENTS) {
    opened.addEventListener(type, (event) => {
      if (source !== opened) return;
      if (event.lastEventId && !hidden) last = event.lastEventId;
      const data = JSON.parse(event.data || "{}");
      if (type === "stats") count(data);
      for (const listener of [...listeners]) listener(type, data);
    });
  }
}

/** Counts come each second while something changes. */
function count(data) {
  const before = stats.get();
  const seconds = before ? data.time - before.time : 0;
  if (before) pace.set(seconds > 0 && seconds < LONGEST_SECOND ? Math.max(0, data.received - before.received) / seconds : 0);
  stats.set(data);
  clearTimeout(quiet);
  quiet = setTimeout(() => pace.set(0), LONGEST_SECOND * 1000);
}

document.addEventListener("visibilitychange", () => source && connect());
// A page that is left keeps no connection, and may be come back to.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && connect());
