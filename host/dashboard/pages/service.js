// One service: how it does, its methods, revisions, limits, grants, neighbours
// and log.

import { ask, path, poll } from "../lib/api.js";
import { h, keyed, setAttribute, setText } from "../lib/dom.js";
import { figures } from "../lib/figures.js";
import * as format from "../lib/format.js";
import { standing } from "../lib/standing.js";
import { course, refusals, services, state, watch } from "../lib/state.js";
import { changeLimit, changeTraffic, remove, restart, rollBack } from "./changes.js";
import { logs } from "./logs.js";
import { methods } from "./methods.js";
import { facts, limits, neighbours, revisions, versions } from "./details.js";
import { instances } from "./services.js";

const DETAILS_MS = 2_000;

export function service(root, [name = ""], query, signal) {
  const wanted = query.get("version");
  const parts = { head: head(() => current), summary: summary(), missing: missing(name) };
  const sections = [methods(), revisions(), versions(), limits(), neighbours(), facts()];
  const [table, past, weights, bounds, around, given] = sections;
  const log = logs(name, signal);
  const body = h(
    "div",
    { class: "stack" },
    parts.summary.element,
    table.element,
    h("div", { class: "columns" }, h("div", { class: "stack" }, past.element, weights.element, around.element), bounds.element),
    given.element,
    log.element,
  );
  root.append(parts.head.element, parts.missing.element, body);
  let current = null;
  let details = null;

  function show() {
    const ofName = services().filter((one) => one.name === name);
    ofName.sort((a, b) => b.traffic - a.traffic || b.version.localeCompare(a.version, "en", { numeric: true }));
    const before = current;
    current = ofName.find((one) => one.version === wanted) ?? ofName[0] ?? null;
    body.hidden = current === null;
    parts.missing.show(current === null);
    parts.head.show(name, current);
    if (current) {
      if (before?.version !== current.version) {
        details = null;
      }
      parts.summary.show(current);
      sections.forEach((section) => section.show(current, details, ofName));
    }
  }
  watch(show, signal);
  // Where there is one version, it may have become another one by now.
  const which = () => (1 < services().filter((one) => one.name === name).length ? { version: current.version } : {});
  const question = () => current && ask("GET", path(["services", name], which()), { signal });
  poll(DETAILS_MS, signal, question, (error, answer) => {
    if (!error && answer) {
      details = answer;
      show();
    }
  });
  return name;
}

function head(current) {
  const title = h("h1", {});
  const [badge, under] = [h("span", { class: "badge" }), h("p", { class: "soft" })];
  const act = (doing) => () => doing(current());
  const button = (text, doing, look) => h("button", { type: "button", class: look, onclick: act(doing) }, text);
  const buttons = h(
    "div",
    { class: "bar" },
    button("Traffic", changeTraffic),
    button("Limit", changeLimit),
    button("Restart", restart),
    button("Roll back", rollBack),
    button("Remove", remove, "danger"),
  );
  const element = h("div", { class: "head" }, h("div", { class: "grow" }, h("p", { class: "bar" }, title, badge), under), buttons);
  const show = (name, service) => {
    setText(title, name);
    buttons.hidden = !service;
    badge.hidden = !service;
    if (service) {
      const [look, words] = standing(service);
      setText(badge, words);
      setAttribute(badge, "class", `badge ${look}`);
      setText(under, `${service.version} at ${service.root || "/"} · ${service.module}.wasm · ${format.digest(service.digest)} · ${service.tier}`);
    } else {
      setText(under, "");
    }
  };
  return { element, show };
}

function summary() {
  const shown = figures([
    { label: "Calls per second", course: true },
    { label: "Errors", course: true },
    { label: "Median" },
    { label: "99%", course: true },
    { label: "Running", course: true },
    { label: "Instances" },
    { label: "Memory" },
  ]);
  const show = (service) => {
    const { rate, failing, p50_us: p50, p99_us: p99, running, waiting, memory_bytes: memory } = service.figures;
    const of = (name) => course(service.id, name);
    shown.show([
      [format.rate(rate), "", of("rate")],
      [failing ? format.share(failing, rate) : "0", failing ? "is-bad" : "", [], of("failing")],
      [format.micros(p50)],
      [format.micros(p99), "", of("p99_us")],
      [waiting ? `${format.count(running)} + ${format.count(waiting)}` : format.count(running), "", of("running")],
      [format.count(instances(service))],
      [format.bytes(memory)],
    ]);
  };
  return { element: shown.element, show };
}

/// What is said of a name that no live service has.
function missing(name) {
  const text = h("p", {});
  const list = h("ul", {});
  const element = h("div", { class: "card stack", hidden: true }, text, list);
  const show = (isMissing) => {
    element.hidden = !isMissing;
    if (!isMissing) {
      return;
    }
    const places = [...state.endpoints.values()].filter((endpoint) => endpoint.service === name);
    const refused = refusals().filter((module) => module.file === `${name}.wasm`);
    setText(text, places.length ? "It is no service of this host. It is called at:" : "No service of this name is live.");
    const lines = [
      ...places.map((place) => ({ id: place.registration, text: `${place.domain}${place.root} · ${place.state}` })),
      ...refused.map((module) => ({ id: module.file, text: `${module.file} is refused: ${module.refusal}` })),
    ];
    keyed(list, lines, (line) => line.id, () => {
      const line = h("li", {});
      return { element: line, show: ({ text: said }) => setText(line, said) };
    });
  };
  return { element, show };
}

