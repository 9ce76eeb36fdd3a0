// Traces that are marked, to be compared or saved together; kept for as long as the tab is open.

import { settled } from "./api.js";
import { shared } from "./view.js";

const NAME = "xtrace.marks";

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
  } catch {
    return [];
  }
}

/** Ids of marked traces, the newest mark last. */
export const marks = shared([]);

// The first look into this storage waits for the browser's own process.
settled.then(() => {
  marks.set([...stored().filter((id) => !marks.get().includes(id)), ...marks.get()]);
  marks.subscribe((ids) => {
    try {
      sessionStorage.setItem(NAME, JSON.stringify(ids));
    } catch {
      // then they hold for this page
    }
  });
});

export const toggleMark = (id) =>
  marks.set(marks.get().includes(id) ? marks.get().filter((each) => each !== id) : [...marks.get(), id]);
