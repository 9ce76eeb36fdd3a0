// The collector's API: see docs/api.md. Everything that is shown comes through here.

/** An answer that isn't the one asked for. */
export class ApiError extends Error {
  constructor(message, { status = 0, parameter = null, position = null } = {}) {
    super(message);
    this.status = status;
    this.parameter = parameter;
    this.position = position;
  }
}

/** How long what isn't on the screen waits for the browser to have nothing better to do. */
const PATIENCE_MS = 500;

let answered;
/** When the first answer is on the screen: for what nobody sees yet. @type {Promise<void>} */
export const settled = new Promise((done) => {
  answered = () => (window.requestIdleCallback ? requestIdleCallback(done, { timeout: PATIENCE_MS }) : setTimeout(done, 50));
});

const UNREACHABLE = "The collector doesn't answer. Is it still running?";

/** A path with parameters; lists are repeated, empty ones left out. */
export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") query.append(name, String(each));
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    answered();
    throw new ApiError(UNREACHABLE);
  }
  const body = await answer.text();
  answered();
  let data;
  try {
    data = body ? JSON.parse(body) : {};
  } catch {
    data = {};
  }
  if (!answer.ok) {
    const message = data.message || data.Message || `The collector answered with status ${answer.status}.`;
    throw new ApiError(message, { status: answer.status, parameter: data.parameter, position: data.position });
  }
  return data;
}

/** GET /api/v1/PATH. */
export const get = (path, params = {}, signal = undefined) => ask(address(`/api/v1/${path}`, params), { signal });

/** Another method on /api/v1/PATH. body: JSON, or as it is if it is a Blob. */
export function send(method, path, body = undefined, params = {}) {
  const raw = body instanceof Blob;
  return ask(address(`/api/v1/${path}`, params), {
    method,
    body: raw || body === undefined ? body : JSON.stringify(body),
    headers: body === undefined || raw ? {} : { "content-type": "application/json" },
  });
}

/** An operation of the X-Ray API at its path, as in xray("/CreateGroup", {...}). */
export const xray = (path, input) =>
  ask(path, { method: "POST", body: JSON.stringify(input), headers: { "content-type": "application/json" } });

/** Rows of a table as objects. @param {{columns: string[], rows: any[][]}} table */
export function records({ columns, rows }) {
  return rows.map((row) => record(columns, row));
}

/** One row as an object. @param {string[]} columns @param {any[]} row */
export function record(columns, row) {
  const made = {};
  for (let index = 0; index < columns.length; index += 1) made[columns[index]] = row[index];
  return made;
}

/** The number of each column. @param {string[]} columns */
export const numbered = (columns) => Object.fromEntries(columns.map((name, index) => [name, index]));

/** Trace ids in addresses. */
export const part = (text) => encodeURIComponent(text);
