// Numbers, times and texts as people read them. Nothing here raises, whatever a trace holds.

const NONE = "–";
const NARROW = "\u202f";

/** 0.000241 -> "241 µs". @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return NONE;
  const sign = seconds < 0 ? "−" : "";
  const value = Math.abs(seconds);
  if (value === 0) return `0${NARROW}ms`;
  if (value < 0.0009995) return `${sign}${digits(value * 1e6)}${NARROW}µs`;
  if (value < 0.9995) return `${sign}${digits(value * 1e3)}${NARROW}ms`;
  if (value < 99.95) return `${sign}${digits(value)}${NARROW}s`;
  if (value < 7200) return `${sign}${Math.floor(value / 60)}${NARROW}min ${Math.round(value % 60)}${NARROW}s`;
  if (value < 172800) return `${sign}${(value / 3600).toFixed(1)}${NARROW}h`;
  return `${sign}${count(Math.round(value / 86400))}${NARROW}d`;
}

/** The same with its sign always shown. @param {number | null | undefined} seconds */
export function difference(seconds) {
  return typeof seconds === "number" && seconds > 0 ? `+${duration(seconds)}` : duration(seconds);
}

/** Three digits that count. @param {number} value */
function digits(value) {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return trimmed(value.toFixed(1));
  return trimmed(value.toFixed(2));
}

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/**
 * 12000 -> "12,000". Not by toLocaleString: the browser loads its tables for the first number, which takes as long
 * as drawing a list. @param {number | null | undefined} value
 */
export function count(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  const [whole, fraction] = String(Math.abs(value) < 1e21 ? Math.round(value * 1000) / 1000 : value).split(".");
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Any number, briefly: 3.14159 -> "3.14". @param {number} value */
export function number(value) {
  return Number.isInteger(value) ? count(value) : digits(value);
}

/** 0.034 -> "3.4 %". @param {number | null | undefined} share */
export function percent(share) {
  if (typeof share !== "number" || !Number.isFinite(share)) return NONE;
  const value = share * 100;
  if (value === 0) return `0${NARROW}%`;
  if (value < 0.1) return `<${NARROW}0.1${NARROW}%`;
  return `${value < 10 ? trimmed(value.toFixed(1)) : value > 99 && value < 100 ? value.toFixed(1) : value.toFixed(0)}${NARROW}%`;
}

/** Requests per minute. @param {number | null | undefined} perMinute */
export function rate(perMinute) {
  if (typeof perMinute !== "number" || !Number.isFinite(perMinute)) return NONE;
  return `${perMinute >= 10 ? count(Math.round(perMinute)) : trimmed(perMinute.toPrecision(2))}/min`;
}

/** 14000 -> "14 kB". @param {number | null | undefined} value */
export function bytes(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let left = value;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? left : digits(left)}${NARROW}${units[unit]}`;
}

/** @param {number} value @param {string} one @param {string} [many] */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** What is so little ahead is now: lists look at the clock now and then. */
const AHEAD_SECONDS = 10;

/** How long ago: "12 s ago". @param {number} time @param {number} now both in seconds since the epoch */
export function age(time, now) {
  const seconds = now - time;
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < -AHEAD_SECONDS) return clock(time);
  if (seconds < 1) return "now";
  if (seconds < 100) return `${Math.floor(seconds)}${NARROW}s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}${NARROW}min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)}${NARROW}h ago`;
  return `${count(Math.round(seconds / 86400))}${NARROW}d ago`;
}

const two = (value) => String(value).padStart(2, "0");

/** The date of a time, null if no calendar has it. */
function dated(time) {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Local time of day, with the date if it isn't today's: "14:03:07.250". @param {number} time */
export function clock(time, millis = false) {
  const date = dated(time);
  if (!date) return String(time);
  const tail = millis ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${tail}`;
  return date.toDateString() === new Date().toDateString() ? text : `${day(date)} ${text}`;
}

const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

/** "14:03", or with the date. @param {number} time */
export function minute(time) {
  const text = clock(time);
  return text.slice(0, -3);
}

/** ISO 8601 in UTC, to the millisecond. @param {number} time */
export function iso(time) {
  return dated(time)?.toISOString() ?? String(time);
}

/** The end of a trace id, which tells traces apart. @param {string} id */
export const shortId = (id) => (id.length > 9 ? `…${id.slice(-8)}` : id);

/** A URL without its scheme; its host alone if there is no path. @param {string | null} url */
export function briefUrl(url) {
  return url === null || url === undefined ? "" : url.replace(/^https?:\/\//, "");
}

/** The path of a URL, with the host before it dimmed by whoever draws it. @param {string} url */
export function urlParts(url) {
  const found = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/i.exec(url);
  return found ? { host: found[1], path: found[2] || "/" } : { host: "", path: url };
}

/** The first characters of a text, with a mark if there were more. @param {string} text */
export const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
