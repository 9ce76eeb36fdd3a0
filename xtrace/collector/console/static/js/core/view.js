// The view library under the names that the screens use, markup as tagged templates, and one way to load.

import { Fragment, createContext, h, render } from "../../vendor/preact.js";
import { useCallback, useContext, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/hooks.js";
import htm from "../../vendor/htm.js";

export const html = htm.bind(h);
export {
  Fragment, createContext, h, render, useCallback, useContext, useEffect, useErrorBoundary, useLayoutEffect, useMemo,
  useRef, useState,
};

/**
 * Class names that are not false.
 * @param {...(string | false | null | undefined)} names
 */
export const classes = (...names) => names.filter(Boolean).join(" ");

/**
 * Something that is shown wherever it is used, and drawn anew there when it changes.
 * @template T
 * @param {T} initial
 */
export function shared(initial) {
  let value = initial;
  const listeners = new Set();
  return {
    get: () => value,
    /** @param {T} next */
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(next);
    },
    /** @param {(value: T) => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    use() {
      const [, draw] = useState({});
      useLayoutEffect(() => {
        const seen = value;
        const listener = () => draw({});
        listeners.add(listener);
        if (!Object.is(seen, value)) draw({});
        return () => listeners.delete(listener);
      }, []);
      return value;
    },
  };
}

/**
 * Load something, and again when what it depends on changes. What was there stays until the new one is.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {unknown[]} needs
 * @returns {{data: T | undefined, error: Error | undefined, loading: boolean, reload: () => void}}
 */
export function useLoad(load, needs) {
  const [state, setState] = useState({ data: undefined, error: undefined, loading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    load(controller.signal).then(
      (data) => controller.signal.aborted || setState({ data, error: undefined, loading: false }),
      (error) => controller.signal.aborted || setState((before) => ({ data: before.data, error, loading: false })),
    );
    return () => controller.abort();
  }, [...needs, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}

/**
 * The size of an element, as it changes.
 * @returns {[{current: HTMLElement | null}, {width: number, height: number}]}
 */
export function useSize() {
  const ref = useRef(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    // It tells of the first size, too, before anything is painted; to ask for it here would lay out the page twice.
    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}

/** A function that is the same for as long as the component lives, and does what the newest one does. */
export function useLatest(handler) {
  const latest = useRef(handler);
  latest.current = handler;
  return useCallback((...parts) => latest.current(...parts), []);
}
