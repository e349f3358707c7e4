// What is known of the host: kept true by the stream, read by the pages.

import { follow } from "./events.js";

const SECTIONS = ["services", "figures", "modules", "records", "endpoints", "subjects", "listeners", "edges"];

/// Seconds of which the course of figures is kept.
const COURSE = 60;
/// The host tells something every second.
const SILENCE_MS = 6_000;

export const state = {
  host: null,
  isThere: false,
  services: new Map(),
  figures: new Map(),
  modules: new Map(),
  records: new Map(),
  endpoints: new Map(),
  subjects: new Map(),
  listeners: new Map(),
  edges: new Map(),
};

/// Courses of figures by service, and that of all of them under "".
const courses = new Map();
const COURSES = ["rate", "failing", "running", "p99_us"];

const readers = new Set();

/// Calls after each change until the signal ends it, and at once if something
/// is known.
export function watch(reader, signal) {
  readers.add(reader);
  signal.addEventListener("abort", () => readers.delete(reader));
  if (state.host) {
    reader();
  }
}

/// The last minute of a figure, the newest last.
export function course(id, figure) {
  return courses.get(id)?.[figure] ?? [];
}

/// Live services, each with its figures and its module's state.
export function services() {
  return [...state.services].map(([id, service]) => ({
    id,
    ...service,
    figures: state.figures.get(id) ?? {},
    file: state.modules.get(`${service.module}.wasm`),
  }));
}

/// Modules whose newest content is not served.
export function refusals() {
  return [...state.modules.values()].filter((module) => module.refusal);
}

/// Sums over all services.
export function totals() {
  const sums = { rate: 0, failing: 0, running: 0, waiting: 0, idle: 0, memory_bytes: null };
  for (const figures of state.figures.values()) {
    for (const name of Object.keys(sums)) {
      if (figures[name] !== null && figures[name] !== undefined) {
        sums[name] += figures[name];
      }
    }
  }
  return sums;
}

/// Begins to follow the host. `changed` is told when it goes and comes, and
/// whether it is another run of it.
export function begin(changed) {
  const told = (name, data) => {
    const isOther = state.host && data.host.run !== state.host.run;
    take(name, data);
    if (!state.isThere || isOther) {
      state.isThere = true;
      changed(true, isOther);
    }
    note();
    readers.forEach((reader) => reader());
  };
  const lost = (isThere, reason, status) => {
    if (!isThere && (state.isThere || !state.host)) {
      state.isThere = false;
      changed(false, false, reason, status);
    }
  };
  const signal = new AbortController().signal;
  follow("/admin/v1/live", { told, changed: lost, signal, silence: SILENCE_MS });
}

function take(name, data) {
  state.host = data.host;
  for (const section of SECTIONS) {
    if (name === "whole") {
      state[section].clear();
    }
    for (const [id, thing] of Object.entries(data[section] ?? {})) {
      if (thing === null) {
        state[section].delete(id);
      } else {
        state[section].set(id, thing);
      }
    }
  }
}

/// Goes on with the courses.
function note() {
  for (const [id, figures] of state.figures) {
    add(id, figures);
  }
  add("", totals());
  for (const id of courses.keys()) {
    if (id && !state.figures.has(id)) {
      courses.delete(id);
    }
  }
}

function add(id, figures) {
  let known = courses.get(id);
  if (!known) {
    known = Object.fromEntries(COURSES.map((name) => [name, []]));
    courses.set(id, known);
  }
  for (const name of COURSES) {
    known[name].push(figures[name] ?? 0);
    if (COURSE < known[name].length) {
      known[name].shift();
    }
  }
}
