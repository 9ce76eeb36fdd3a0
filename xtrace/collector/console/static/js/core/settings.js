// What a person has chosen, kept by the browser; without its storage, for as long as the page is open.

import { shared } from "./view.js";

const kept = new Map();

function stored(name, fallback) {
  try {
    return localStorage.getItem(`xtrace.${name}`) ?? fallback;
  } catch {
    return fallback;
  }
}

/** A setting: get(), set(text), use(). @param {string} name @param {string} fallback */
export function setting(name, fallback) {
  let found = kept.get(name);
  if (!found) {
    found = shared(stored(name, fallback));
    found.subscribe((value) => {
      try {
        localStorage.setItem(`xtrace.${name}`, value);
      } catch {
        // then it holds for this page
      }
    });
    kept.set(name, found);
  }
  return found;
}

export const theme = setting("theme", "system");
export const shortcuts = setting("keys", "on");

const apply = (value) => {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
};
theme.subscribe(apply);

/** The colours of the theme changed, by choice or with the system's. */
export function onTheme(listener) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", listener);
  const undo = theme.subscribe(listener);
  return () => {
    media.removeEventListener("change", listener);
    undo();
  };
}

/** What custom properties are as colours that a canvas takes. @param {string[]} names */
export function colours(names) {
  const probe = document.createElement("i");
  document.body.append(probe);
  const found = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
