// The overview: what is refused, how the host does, every service.

import { h, keyed, setAttribute, setText } from "../lib/dom.js";
import { figures } from "../lib/figures.js";
import * as format from "../lib/format.js";
import { LongList } from "../lib/longlist.js";
import { spark } from "../lib/spark.js";
import { address, standing } from "../lib/standing.js";
import { course, refusals, services as all, state, totals, watch } from "../lib/state.js";

export function services(root, _parts, _query, signal) {
  const refused = h("section", { class: "card", "aria-labelledby": "refused", hidden: true });
  const refusedList = h("div", {});
  refused.append(h("h2", { id: "refused" }, "Refused"), refusedList);
  const summary = figures([
    { label: "Services" },
    { label: "Calls per second", course: true },
    { label: "Errors per second", course: true },
    { label: "Running" },
    { label: "Events" },
    { label: "Memory of the host" },
  ]);
  const search = h("input", { type: "search", placeholder: "Search by name, root, module or state", "aria-label": "Search services", oninput: () => show() });
  const found = h("p", { class: "soft small", role: "status" });
  const list = new LongList({ caption: "Services of this host", columns: columns(), key: (service) => service.id, sort: "Service", signal });
  const empty = h("div", { class: "card empty", hidden: true });
  root.append(
    h("h1", {}, "Services"),
    refused,
    summary.element,
    h("div", { class: "bar" }, h("div", { class: "grow" }, search), found),
    list.element,
    empty,
  );
  setAttribute(search, "class", "search");

  function show() {
    const known = all();
    const wanted = search.value.trim().toLowerCase();
    const fitting = wanted ? known.filter((service) => text(service).includes(wanted)) : known;
    showRefusals(refused, refusedList);
    summary.show(sums(known));
    setText(found, wanted ? `${format.count(fitting.length)} of ${format.plural(known.length, "service")}` : "");
    list.element.hidden = fitting.length === 0;
    empty.hidden = 0 < fitting.length;
    setText(empty, wanted ? "No service fits." : "No service yet. Put a .wasm file into the watched folder, and it appears here.");
    list.show(fitting);
  }
  watch(show, signal);
  return "Services";
}

function text(service) {
  const [, words] = standing(service);
  return `${service.name} ${service.version} ${service.root} ${service.module} ${words} ${service.digest}`.toLowerCase();
}

function sums(known) {
  const { rate, failing, running, waiting } = totals();
  const published = state.host.published;
  return [
    [format.count(known.length)],
    [format.rate(rate), "", course("", "rate")],
    [format.rate(failing), failing ? "is-bad" : "", [], course("", "failing")],
    [waiting ? `${format.count(running)} + ${format.count(waiting)}` : format.count(running)],
    [format.count(published)],
    [format.bytes(state.host.memory_bytes)],
  ];
}

function showRefusals(section, list) {
  const refused = refusals();
  section.hidden = refused.length === 0;
  keyed(list, refused, (module) => module.file, () => {
    const [name, badge, reason] = [h("span", { class: "mono" }), h("span", { class: "badge" }), h("pre", {})];
    const element = h("article", { class: "refusal" }, h("h3", {}, name, badge), reason);
    const show = (module) => {
      const [live] = module.revisions;
      setText(name, module.file);
      setText(badge, live ? `${live.service} ${live.version} goes on serving` : "nothing of it is served");
      setText(reason, module.refusal);
    };
    return { element, show };
  });
}

function columns() {
  const plain = (title, label, by, show, look = {}) => ({
    title,
    label,
    by,
    right: true,
    class: "col-figure",
    ...look,
    cell: (cell) => (service) => setText(cell, show(service)),
  });
  const figure = (name) => (service) => service.figures[name] ?? -1;
  return [
    { title: "Service", by: (service) => service.name, wide: true, cell: nameCell },
    { title: "Calls per second", label: "Calls/s", by: figure("rate"), right: true, class: "col-rate", cell: rateCell },
    { title: "Errors", label: "Errors", by: figure("failing"), right: true, class: "col-figure", cell: errorCell },
    plain("Median", "Median", figure("p50_us"), ({ figures }) => format.micros(figures.p50_us)),
    plain("99%", "99%", figure("p99_us"), ({ figures }) => format.micros(figures.p99_us)),
    plain("Running", "Running", figure("running"), load, { class: "col-load" }),
    plain("Instances", "Instances", instances, (service) => format.count(instances(service)), { class: "col-load if-wide" }),
    plain("Memory", "Memory", figure("memory_bytes"), ({ figures }) => format.bytes(figures.memory_bytes), { class: "col-figure if-wide" }),
    { title: "Last swap", label: "Last swap", by: since, right: true, class: "col-swap", cell: swapCell },
  ];
}

/// Instances there are, those that wait for a call included.
export function instances({ figures: { instances = 0 } }) {
  return instances;
}

function load({ figures: { running = 0, waiting = 0 } }) {
  return waiting ? `${format.count(running)} + ${format.count(waiting)}` : format.count(running);
}

function since(service) {
  return service.file?.revisions[0]?.live_since ?? 0;
}

function swapCell(cell) {
  const [when, took] = [h("span", {}), h("span", { class: "cell-under" })];
  cell.append(when, took);
  return (service) => {
    const live = service.file?.revisions[0];
    setText(when, live ? format.ago(live.live_since * 1_000, state.host.time_ms) : "–");
    setText(took, live ? `in ${format.millis(live.load_ms)}` : "");
  };
}

function nameCell(cell) {
  const [dot, words, link] = [h("span", { class: "dot" }), h("span", { class: "hidden" }), h("a", {})];
  const under = h("span", { class: "cell-under" });
  cell.append(h("span", { class: "cell-name" }, dot, words, link), under);
  return (service) => {
    const [look, said] = standing(service);
    setAttribute(dot, "class", `dot ${look}`);
    setText(words, `${said}: `);
    setAttribute(link, "href", address(service.name, service.version));
    setAttribute(cell, "title", `${service.name} ${service.version}, ${said}`);
    setText(link, service.name);
    const traffic = service.traffic === 100 ? [] : [`traffic ${service.traffic}`];
    const state = look === "good" ? [] : [said];
    setText(under, [service.version, service.root || "/", ...traffic, ...state, format.digest(service.digest)].join(" · "));
  };
}

function rateCell(cell) {
  const [line, value] = [spark(), h("span", { class: "num" })];
  cell.append(h("div", { class: "with-spark" }, line.element, value));
  return (service) => {
    setText(value, format.rate(service.figures.rate));
    value.classList.toggle("soft", !service.figures.rate);
    line.show(course(service.id, "rate"), course(service.id, "failing"));
  };
}

function errorCell(cell) {
  return ({ figures: { failing, rate } }) => {
    setText(cell, failing ? format.share(failing, rate) : "0");
    cell.classList.toggle("is-bad", Boolean(failing));
    cell.classList.toggle("soft", !failing);
  };
}
