// Keys for everything. Whoever is on the screen says which keys it takes; "?" lists them all.

import { shared, useLatest, useLayoutEffect } from "./view.js";
import { shortcuts } from "./settings.js";

/**
 * @typedef {{keys: string, label: string, group: string, run: (event: KeyboardEvent) => void, hidden?: boolean, when?: (event: KeyboardEvent) => boolean}} Binding
 * keys: "j", "Enter", "?", or a sequence "g m". group: the heading in the list. when: whether it counts now.
 */

/** @type {Map<object, Binding[]>} the newest last, which comes first */
const layers = new Map();
const pending = shared("");
const PATIENCE = 1500;
let timer = 0;

/** The first key of a sequence that has been pressed. */
export const usePending = () => pending.use();

/** All keys that are taken now, by group. @returns {Map<string, Binding[]>} */
export function listed() {
  const groups = new Map();
  const taken = new Set();
  for (const bindings of [...layers.values()].reverse()) {
    for (const binding of bindings) {
      if (binding.hidden || taken.has(binding.keys)) continue;
      taken.add(binding.keys);
      groups.set(binding.group, [...(groups.get(binding.group) ?? []), binding]);
    }
  }
  return groups;
}

/** How a sequence that has begun may go on. */
export function continuations(first) {
  return [...listed().values()].flat().filter((binding) => binding.keys.startsWith(`${first} `));
}

/** Take keys as soon as, and while, the component is on the screen. @param {Binding[]} bindings */
export function useKeys(bindings) {
  const latest = useLatest((index, event) => bindings[index].run(event));
  const shape = bindings.map((each) => `${each.keys}|${each.label}|${each.group}`).join("\n");
  useLayoutEffect(() => {
    const layer = {};
    layers.set(layer, bindings.map((each, index) => ({ ...each, run: (event) => latest(index, event) })));
    return () => layers.delete(layer);
  }, [shape]);
}

const EDITABLE = "input, textarea, select, [contenteditable]";
const isTyping = (target) =>
  target instanceof Element && target.matches(EDITABLE) && !target.matches("input[type=checkbox], input[type=radio]");

function find(keys, event) {
  for (const bindings of [...layers.values()].reverse()) {
    const found = bindings.find((each) => each.keys === keys);
    if (found && (!found.when || found.when(event))) return found;
  }
  return null;
}

const begins = (key) => [...layers.values()].some((bindings) => bindings.some((each) => each.keys.startsWith(`${key} `)));

/** Whether nothing in particular has the focus, so that arrow keys may be for a list. */
export const isLoose = (event) => event.target === document.body || event.target?.id === "main";

function forget() {
  clearTimeout(timer);
  pending.set("");
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  // Enter and the blank belong to the button or link that has the focus.
  if ((event.key === "Enter" || event.key === " ") && event.target instanceof Element && event.target.closest("button, a, summary")) return;
  const single = event.key.length === 1;
  if (single && shortcuts.get() === "off") return;
  const first = pending.get();
  if (first) {
    forget();
    const second = event.key === "Escape" ? null : find(`${first} ${event.key}`, event);
    if (second || event.key === "Escape") {
      event.preventDefault();
      second?.run(event);
      return;
    }
  }
  const binding = find(event.key, event);
  if (binding) {
    event.preventDefault();
    binding.run(event);
  } else if (single && begins(event.key)) {
    event.preventDefault();
    pending.set(event.key);
    timer = setTimeout(forget, PATIENCE);
  }
});
