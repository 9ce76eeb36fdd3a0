// Tabs, with the keys that are usual for them.

import { html, useRef } from "../core/view.js";

/**
 * @param {{label: string, tabs: {id: string, name: any, count?: number | null}[], chosen: string, choose: (id: string) => void, panel: string}} props
 * panel: the id of the element whose content they choose.
 */
export function Tabs({ label, tabs, chosen, choose, panel }) {
  const ref = useRef(null);
  const key = (event) => {
    const at = tabs.findIndex(({ id }) => id === chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs[(to + tabs.length) % tabs.length];
    choose(next.id);
    ref.current.querySelector(`[data-tab="${next.id}"]`)?.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} ref=${ref} onKeyDown=${key}>
      ${tabs.map(({ id, name, count }) => html`
        <button type="button" role="tab" data-tab=${id} id="${panel}-${id}" aria-controls=${panel} aria-selected=${String(id === chosen)}
          tabindex=${id === chosen ? 0 : -1} onClick=${() => choose(id)}>${name}${count ? html`<span class="count">${count}</span>` : null}</button>
      `)}
    </div>
  `;
}
