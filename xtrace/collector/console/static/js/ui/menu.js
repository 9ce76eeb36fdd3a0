// A button that opens a list of things to do or choose; keys as everywhere: arrows, Home, End, Esc.

import { classes, html, useLayoutEffect, useRef, useState } from "../core/view.js";
import { Icon } from "./icons.js";

/**
 * Close something when a click or the focus goes elsewhere, or at Esc.
 * @param {boolean} open @param {() => void} close
 */
export function useDismiss(open, close) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    if (!open) return undefined;
    const outside = (event) => ref.current && !ref.current.contains(event.target) && close();
    const escape = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close();
      ref.current?.querySelector("[aria-haspopup], [aria-expanded]")?.focus();
    };
    document.addEventListener("pointerdown", outside, true);
    document.addEventListener("focusin", outside, true);
    ref.current?.addEventListener("keydown", escape);
    const element = ref.current;
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("focusin", outside, true);
      element?.removeEventListener("keydown", escape);
    };
  }, [open]);
  return ref;
}

/**
 * @typedef {{label?: any, hint?: string, run?: () => void, href?: string, checked?: boolean, icon?: string, heading?: string, line?: boolean, danger?: boolean, download?: boolean}} Item
 * @param {{label: any, items: Item[] | (() => Item[]), name?: string, icon?: string, side?: "left" | "right", kind?: string, chevron?: boolean, onOpen?: () => void}} props
 * name: what a screen reader says of the button, if it isn't its label. onOpen: called when the list comes.
 */
export function Menu({ label, items, name, icon, side = "left", kind = "button", chevron = true, onOpen }) {
  const [open, setOpen] = useState(false);
  const ref = useDismiss(open, () => setOpen(false));
  const list = useRef(null);
  const all = () => [...(list.current?.querySelectorAll('[role^="menuitem"]') ?? [])];
  useLayoutEffect(() => {
    if (!open) return;
    onOpen?.();
    (list.current?.querySelector('[aria-checked="true"]') ?? all()[0])?.focus();
  }, [open]);
  const close = (item) => {
    setOpen(false);
    if (item?.run) {
      ref.current?.querySelector("[aria-haspopup]")?.focus();
      item.run();
    }
  };
  const move = (event) => {
    const entries = all();
    const at = entries.indexOf(document.activeElement);
    const to = {
      ArrowDown: (at + 1) % entries.length,
      ArrowUp: (at - 1 + entries.length) % entries.length,
      Home: 0,
      End: entries.length - 1,
    }[event.key];
    if (to === undefined) {
      if (event.key === "Tab") setOpen(false);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    entries[to]?.focus();
  };
  const shown = open ? (typeof items === "function" ? items() : items) : [];
  return html`
    <span class="menu-anchor" ref=${ref}>
      <button type="button" class=${kind} aria-haspopup="menu" aria-expanded=${String(open)} aria-label=${name} title=${kind.startsWith("icon") ? name : null}
        onClick=${() => setOpen(!open)}
        onKeyDown=${(event) => {
          if (event.key === "ArrowDown" && !open) {
            event.preventDefault();
            setOpen(true);
          }
        }}>
        ${icon ? html`<${Icon} name=${icon} />` : null}${label}
        ${chevron && !kind.startsWith("icon") ? html`<${Icon} name="down" small />` : null}
      </button>
      ${open && html`
        <div class="menu below ${side}" role="menu" ref=${list} onKeyDown=${move} aria-label=${name}>
          ${shown.filter(Boolean).map((item) => html`<${Entry} item=${item} close=${close} />`)}
        </div>
      `}
    </span>
  `;
}

function Entry({ item, close }) {
  if (item.line) return html`<hr role="separator" />`;
  if (item.heading) return html`<div class="label" role="presentation">${item.heading}</div>`;
  const inside = html`
    ${item.checked === undefined ? (item.icon ? html`<${Icon} name=${item.icon} />` : null) : html`<span class="tick">${item.checked ? html`<${Icon} name="check" small />` : null}</span>`}
    <span class="clip">${item.label}</span>
    ${item.hint ? html`<span class="hint">${item.hint}</span>` : null}
  `;
  if (item.href) {
    return html`<a role="menuitem" tabindex="-1" href=${item.href} download=${item.download} onClick=${() => close(null)}>${inside}</a>`;
  }
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  return html`
    <button type="button" role=${role} tabindex="-1" aria-checked=${item.checked === undefined ? null : String(item.checked)}
      class=${classes(item.danger && "text-fault")} onClick=${() => close(item)}>${inside}</button>
  `;
}
