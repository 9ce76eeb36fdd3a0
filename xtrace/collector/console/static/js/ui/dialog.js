// Questions that stand in front of everything else: the browser's own dialogs, which keep the focus inside.

import { html, shared, useLayoutEffect, useRef } from "../core/view.js";
import { Icon } from "./icons.js";

/** What is filled in. */
const FIELDS = '.body :is(input:not([type="checkbox"], [type="radio"], :disabled), textarea, select)';

/**
 * @param {{title: string, onClose: () => void, footer?: any, children?: any, onSubmit?: (event: Event) => void}} props
 */
export function Dialog({ title, onClose, footer, children, onSubmit }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    // The browser takes what comes first, the button that closes it.
    dialog.querySelector(FIELDS)?.focus();
    return () => {
      // At once: the next key may be for another place.
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const content = html`
    <header>
      <h2>${title}</h2><span class="spacer" />
      <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    <div class="body">${children}</div>
    ${footer ? html`<footer>${footer}</footer>` : null}
  `;
  return html`
    <dialog ref=${ref} aria-label=${title}
      onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onClick=${(event) => event.target === ref.current && onClose()}>
      ${onSubmit
        ? html`<form class="contents" onSubmit=${(event) => { event.preventDefault(); onSubmit(event); }}>${content}</form>`
        : content}
    </dialog>
  `;
}

const open = shared(null);

/** Show a dialog that a component draws: show(Component, props); it is given `onClose` too. */
export const show = (component, props = {}) => open.set({ component, props });
export const hide = () => open.set(null);

/** The place where they appear. */
export function Dialogs() {
  const shown = open.use();
  return shown ? html`<${shown.component} ...${shown.props} onClose=${hide} />` : null;
}

/** Ask before something that can't be undone. */
export const confirm = (question) => show(Confirm, question);

function Confirm({ title, text, action, run, onClose }) {
  return html`
    <${Dialog} title=${title} onClose=${onClose}
      footer=${html`
        <button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="button" class="button danger" autofocus onClick=${() => { onClose(); run(); }}>${action}</button>
      `}>
      <p>${text}</p>
    </${Dialog}>
  `;
}
