// What is shown is in the address: the path, and parameters. Links are plain links; a click on one is taken here.

import { shared } from "./view.js";

/** Parameters that stay when one goes to another screen. */
const KEPT = ["filter", "range", "group", "run"];

const read = () => ({ path: location.pathname, params: new URLSearchParams(location.search) });
const place = shared(read());

/** Where we are: {path, params}; components that use it are drawn anew when it changes. */
export const usePlace = () => place.use();
export const here = () => place.get();
export const onPlace = place.subscribe;

/**
 * An address: the path, what is kept of the current parameters, and changes; null or "" removes one.
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [changes]
 */
export function href(path, changes = {}, kept = KEPT) {
  const params = new URLSearchParams();
  for (const name of kept) {
    const value = place.get().params.get(name);
    if (value) params.set(name, value);
  }
  return withChanges(path, params, changes);
}

function withChanges(path, params, changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") params.delete(name);
    else params.set(name, String(value));
  }
  const query = params.toString();
  return query ? `${path}?${query}` : path;
}

/** Go to an address. replace: without a step for the back button. @param {string} address */
export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  place.set(read());
}

/** Change parameters of the place where we are. */
export function change(changes, options) {
  go(withChanges(location.pathname, new URLSearchParams(location.search), changes), options);
}

/** The address of a place with other parameters; without going there. */
export const changed = (changes) => withChanges(location.pathname, new URLSearchParams(location.search), changes);

addEventListener("popstate", () => place.set(read()));

addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname.startsWith("/api/") || (link.hash && link.pathname === location.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
