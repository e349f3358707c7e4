// Traces: the newest, the slow and the failed ones.

import { ask, path, poll } from "../lib/api.js";
import { h, keyed, setAttribute, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";
import { state } from "../lib/state.js";

const EVERY_MS = 2_000;
const SHOWN = 100;
const KINDS = [["newest", "Newest"], ["slow", "Slow"], ["failed", "Failed"]];

export function traces(root, _parts, query, signal) {
  let kind = query.get("kind") ?? "newest";
  const tabs = KINDS.map(([name, text]) => h("button", { type: "button", onclick: () => choose(name) }, text));
  const filter = h("input", { type: "search", placeholder: "Of one service", "aria-label": "Service", value: query.get("service") ?? "", onchange: () => look() });
  const hold = h("input", { type: "checkbox" });
  const found = h("p", { class: "card empty" }, "Looking for traces.");
  const body = h("tbody", {});
  const titles = ["Request", "Services", "Started", "Spans", "Took", "Outcome"];
  const heads = titles.map((title, at) => h("th", { scope: "col", class: 2 < at ? "right" : null }, title));
  const table = h("table", { class: "folding two" }, h("caption", { class: "hidden" }, "Traces"), h("thead", {}, h("tr", {}, heads)), body);
  const box = h("div", { class: "table-box", hidden: true }, table);
  root.append(
    h("h1", {}, "Traces"),
    h("div", { class: "bar" }, h("div", { class: "tabs", role: "group", "aria-label": "Which traces" }, tabs), filter, h("label", { class: "check" }, hold, "Hold")),
    found,
    box,
  );

  const question = () => !hold.checked && ask("GET", path(["traces"], { kind, service: filter.value.trim(), limit: SHOWN }), { signal });
  const show = (error, answer) => {
    if (!error && !answer) {
      return;
    }
    const known = answer?.traces ?? [];
    box.hidden = known.length === 0;
    found.hidden = !box.hidden;
    setText(found, error ? `Traces cannot be shown: ${error.message}` : "No such trace is kept. They come with the next requests.");
    keyed(body, known, (trace) => trace.trace_id, row);
  };
  const look = async () => {
    try {
      show(null, await question());
    } catch (error) {
      show(error, null);
    }
  };
  const choose = (name) => {
    kind = name;
    mark();
    look();
  };
  const mark = () => tabs.forEach((tab, at) => setAttribute(tab, "aria-pressed", KINDS[at][0] === kind));
  mark();
  poll(EVERY_MS, signal, question, show);
  return "Traces";
}

function row(trace) {
  const [when, took] = [h("td", { "data-label": "Started" }), h("td", { class: "right", "data-label": "Took" })];
  const [services, spans] = [h("td", { class: "wide" }), h("td", { class: "right", "data-label": "Spans" })];
  const badge = h("span", {});
  const request = trace.root || (trace.method ? `${trace.service}.${trace.method}` : trace.trace_id);
  const link = h("span", { class: "cell-name" }, h("a", { href: `#/trace/${trace.trace_id}` }, request));
  const show = (one) => {
    setText(when, format.ago(one.started_ms, state.host?.time_ms ?? Date.now()));
    setAttribute(when, "title", new Date(one.started_ms).toISOString());
    setText(services, (one.services ?? []).join(" → "));
    setText(spans, format.count(one.spans));
    setText(took, format.micros(one.duration_us));
    setText(badge, one.fault ?? one.status ?? "");
    setAttribute(badge, "class", `badge ${look(one)}`);
  };
  const outcome = h("td", { class: "right", "data-label": "Outcome" }, badge);
  return { element: h("tr", {}, h("td", { class: "wide" }, link), services, when, spans, took, outcome), show };
}

/// What callers did wrong is worth a look, but nothing failed.
function look(one) {
  if (isWrong(one)) {
    return "bad";
  }
  return 400 <= Number(one.status) ? "warn" : "good";
}

/// Whether a span or a trace ended badly.
export function isWrong({ fault, status }) {
  return Boolean(fault) || 500 <= Number(status);
}
