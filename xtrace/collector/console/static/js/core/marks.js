// Traces that are marked, to be compared or saved together; kept for as long as the tab is open.

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
export const marks = shared(stored());

marks.subscribe((ids) => {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(ids));
  } catch {
    // then they hold for this page
  }
});

export const toggleMark = (id) =>
  marks.set(marks.get().includes(id) ? marks.get().filter((each) => each !== id) : [...marks.get(), id]);
