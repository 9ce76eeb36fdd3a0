// Short messages at the edge, said aloud too, gone after a while.

import { html, shared } from "../core/view.js";

const SECONDS = 5;
const messages = shared([]);
let number = 0;

/** @param {string} text @param {{label: string, run: () => void} | null} [action] */
export function toast(text, action = null) {
  const id = (number += 1);
  messages.set([...messages.get().slice(-2), { id, text, action }]);
  setTimeout(() => gone(id), SECONDS * 1000);
}

/** Say what went wrong with something that was asked for. */
export const failed = (error) => error.name !== "AbortError" && toast(error.message);

const gone = (id) => messages.set(messages.get().filter((each) => each.id !== id));

/** The place where they appear. */
export const Toasts = () => html`
  <div class="toasts" role="status" aria-live="polite">
    ${messages.use().map(({ id, text, action }) => html`
      <div class="toast" key=${id}>
        <span>${text}</span>
        ${action ? html`<button type="button" class="button small" onClick=${() => { gone(id); action.run(); }}>${action.label}</button>` : null}
      </div>
    `)}
  </div>
`;
