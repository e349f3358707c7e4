// The registry and the bus: records of others, endpoints, subjects, listeners.

import { h, keyed, setAttribute, setText } from "../lib/dom.js";
import { figures } from "../lib/figures.js";
import * as format from "../lib/format.js";
import { LongList } from "../lib/longlist.js";
import { address } from "../lib/standing.js";
import { state, watch } from "../lib/state.js";

const LOOKS = { serving: "good", down: "bad", resting: "bad", probing: "warn", draining: "warn", UP: "good", DOWN: "bad" };

export function registry(root, _parts, _query, signal) {
  const summary = figures([{ label: "Records" }, { label: "Calls that wait" }, { label: "Subscriptions" }, { label: "Events published" }, { label: "Delivered" }, { label: "Unheard" }]);
  const records = table("Records of others", ["Service", "At", "Status", "Renewed", "Ends in"], "No program is registered. Programs register at /api/services.");
  const local = h("input", { type: "checkbox", onchange: () => show() });
  const endpoints = new LongList({ caption: "Endpoints", columns: columns(), key: (endpoint) => endpoint.id, sort: "Endpoint", signal });
  const none = h("p", { class: "soft" }, "Every endpoint is one of this host and can be called.");
  const subjects = table("Subjects", ["Subject", "Published by", "Events per second"], "Nothing was published lately.");
  const listeners = table("Listeners", ["Service", "Heard", "Failed", "Lost", "In line"], "No service listens to events.");
  root.append(
    h("h1", {}, "Registry and bus"),
    summary.element,
    records.element,
    h(
      "section",
      { class: "card" },
      h("div", { class: "head" }, h("h2", { class: "grow" }, "Endpoints"), h("label", { class: "check small" }, local, "Also healthy ones of this host")),
      none,
      endpoints.element,
    ),
    h("div", { class: "columns" }, subjects.element, listeners.element),
  );

  function show() {
    const { records: count, waiting, subscriptions, published, delivered, unheard, leases } = state.host;
    summary.show([count, waiting, subscriptions, published, delivered, unheard].map((value) => [format.count(value)]));
    records.show([...state.records].map(([id, record]) => ({ id, cells: recordCells(record, leases) })));
    const known = [...state.endpoints].map(([id, endpoint]) => ({ id, ...endpoint }));
    const shown = known.filter((endpoint) => local.checked || !endpoint.local || endpoint.state !== "serving");
    endpoints.element.hidden = shown.length === 0;
    none.hidden = 0 < shown.length;
    endpoints.show(shown);
    const busy = [...state.subjects].sort(([, a], [, b]) => b.rate - a.rate);
    subjects.show(busy.map(([id, subject]) => ({ id, cells: [{ text: id, isMono: true }, { text: subject.publisher ?? "outside" }, { text: format.rate(subject.rate), isRight: true }] })));
    listeners.show([...state.listeners].map(([id, listener]) => ({ id, cells: listenerCells(id, listener) })));
  }
  watch(show, signal);
  return "Registry and bus";
}

function recordCells(record, leases) {
  const age = Math.max(0, leases.now_ms - record.renewed_ms);
  const left = (record.status === "UP" ? leases.lease_ms : leases.removal_ms) - age;
  const ends = record.status === "UP" ? "lease" : "removal";
  return [
    { text: [record.name, record.version].filter(Boolean).join(" "), href: address(record.name) },
    { text: `${record.domain}${record.root}`, isMono: true },
    { text: record.status, look: LOOKS[record.status], tip: record.reason },
    { text: `${format.span(age / 1_000)} ago`, isRight: true },
    { text: `${format.span(left / 1_000)} (${ends})`, isRight: true },
  ];
}

function listenerCells(name, { heard, failed, dropped, waiting }) {
  const counts = [heard, failed, dropped, waiting].map((value) => ({ text: format.count(value), isRight: true }));
  return [{ text: name, href: address(name) }, ...counts];
}

function columns() {
  const plain = (title, by, show, look = {}) => ({ title, label: title, by, right: true, class: "col-load", cell: (cell) => (one) => setText(cell, show(one)), ...look });
  return [
    { title: "Endpoint", by: (one) => one.service, wide: true, cell: endpointCell },
    { title: "State", label: "State", by: (one) => one.state, class: "col-load", cell: stateCell },
    plain("Rests for", (one) => one.rests_ms ?? -1, (one) => format.millis(one.rests_ms)),
    plain("In flight", (one) => one.in_flight, (one) => format.count(one.in_flight)),
    plain("Answers in", (one) => one.latency_us ?? -1, (one) => format.micros(one.latency_us)),
  ];
}

function endpointCell(cell) {
  const [link, under] = [h("a", {}), h("span", { class: "cell-under" })];
  cell.append(h("span", { class: "cell-name" }, link), under);
  return (one) => {
    setText(link, [one.service, one.version].filter(Boolean).join(" "));
    setAttribute(link, "href", address(one.service));
    setText(under, `${one.local ? "this host" : one.domain} · ${one.root || "/"} · ${one.registration}`);
    setAttribute(cell, "title", `${one.service} at ${one.domain}${one.root}`);
  };
}

function stateCell(cell) {
  const badge = h("span", {});
  cell.append(badge);
  return (one) => {
    setText(badge, one.state);
    setAttribute(badge, "class", `badge ${LOOKS[one.state] ?? ""}`);
  };
}

/// A short table of texts. Its rows have an id and cells.
function table(title, heads, nothing) {
  const body = h("tbody", {});
  const row = h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)));
  const box = h("div", { class: "table-box" }, h("table", { class: "folding" }, h("caption", { class: "hidden" }, title), h("thead", {}, row), body));
  const none = h("p", { class: "soft" }, nothing);
  const element = h("section", { class: "card" }, h("h2", {}, title), none, box);
  const show = (rows) => {
    none.hidden = 0 < rows.length;
    box.hidden = rows.length === 0;
    keyed(body, rows, (one) => one.id, ({ cells }) => {
      const made = cells.map((cell, at) => make(cell, heads[at], at === 0 || cell.isMono));
      cells.forEach((cell, at) => row.children[at].classList.toggle("right", Boolean(cell.isRight)));
      const show = (one) => one.cells.forEach((cell, at) => made[at].show(cell));
      return { element: h("tr", {}, made.map((cell) => cell.element)), show };
    });
  };
  return { element, show };
}

function make(cell, label, isWide) {
  const inner = cell.href ? h("a", { href: cell.href }) : h("span", { class: cell.isMono ? "mono" : null });
  const look = [cell.isRight && "right", isWide && "wide"].filter(Boolean).join(" ");
  const element = h("td", { class: look || null, "data-label": isWide ? null : label }, inner);
  const show = (one) => {
    setText(inner, one.text);
    setAttribute(inner, "title", one.tip);
    if (one.look) {
      setAttribute(inner, "class", `badge ${one.look}`);
    }
  };
  return { element, show };
}
