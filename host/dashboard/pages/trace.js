// One trace: its spans as a waterfall, with the lines of the log where they
// were written.

import { ask, path } from "../lib/api.js";
import { h, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";
import { address } from "../lib/standing.js";
import { line } from "./logs.js";
import { isWrong } from "./traces.js";

const DEPTH_PX = 14;
const DEPTH_MAX = 10;

export function trace(root, [id = ""], _query, signal) {
  const said = h("p", { class: "soft" }, "Looking for it.");
  const again = h("button", { type: "button", onclick: () => look() }, "Look again");
  const list = h("ol", { class: "waterfall" });
  const card = h("section", { class: "card", hidden: true }, h("h2", {}, "Spans"), list);
  root.append(
    h("div", { class: "head" }, h("div", { class: "grow" }, h("h1", {}, "Trace"), h("p", { class: "mono soft" }, id)), again),
    said,
    card,
  );

  async function look() {
    try {
      const found = await ask("GET", path(["traces", id]), { signal });
      card.hidden = false;
      show(found.spans, found.logs ?? []);
    } catch (error) {
      if (!signal.aborted) {
        setText(said, `It cannot be shown: ${error.message}`);
      }
    }
  }

  function show(spans, lines) {
    const start = Math.min(...spans.map((span) => span.started_us));
    const end = Math.max(...spans.map((span) => span.started_us + span.duration_us));
    const names = [...new Set(spans.map((span) => span.service).filter(Boolean))];
    setText(said, `${format.clock(start / 1_000)}, ${format.micros(end - start)}, ${format.plural(spans.length, "span")} of ${names.join(", ") || "the host"}`);
    const rows = place(tree(spans), lines).map((row) => (row.span ? bar(row, start, Math.max(1, end - start)) : logged(row)));
    list.replaceChildren(...rows);
  }

  look();
  return `Trace ${id.slice(0, 8)}`;
}

/// Spans as they are called, each with its depth, callers before callees.
function tree(spans) {
  const known = new Set(spans.map((span) => span.span_id));
  const below = new Map();
  for (const span of [...spans].sort((a, b) => a.started_us - b.started_us)) {
    const parent = known.has(span.parent_id) ? span.parent_id : null;
    below.set(parent, [...(below.get(parent) ?? []), span]);
  }
  const rows = [];
  const walk = (parent, depth) => {
    for (const span of below.get(parent) ?? []) {
      rows.push({ span, depth });
      walk(span.span_id, depth + 1);
    }
  };
  walk(null, 0);
  return rows;
}

/// Puts each line behind the last span of its service that had begun.
function place(rows, lines) {
  const placed = [...rows];
  for (const said of [...lines].sort((a, b) => a.time_ms - b.time_ms)) {
    const began = (row) => row.span && row.span.service === said.service && row.span.started_us / 1_000 <= said.time_ms + 1;
    let at = placed.findLastIndex(began);
    at = at === -1 ? 0 : at;
    const depth = placed[at]?.depth ?? 0;
    let behind = at + 1;
    while (placed[behind]?.line) {
      behind += 1;
    }
    placed.splice(behind, 0, { line: said, depth });
  }
  return placed;
}

function bar({ span, depth }, start, whole) {
  const part = h("div", { class: isWrong(span) ? "failing" : null });
  part.style.left = `${Math.min(99.5, (100 * (span.started_us - start)) / whole)}%`;
  part.style.width = `${Math.max(0.2, (100 * span.duration_us) / whole)}%`;
  const name = h("span", { class: "depth" }, span.service ? h("a", { href: address(span.service) }, span.name) : span.name);
  name.style.paddingLeft = `${DEPTH_PX * Math.min(depth, DEPTH_MAX)}px`;
  const facts = Object.entries(span.attributes ?? {}).map(([key, value]) => `${key} ${value}`);
  const outcome = [span.service, span.kind, span.fault ?? span.status, ...facts].filter(Boolean).join(" · ");
  name.append(h("span", { class: "cell-under" }, outcome));
  return h(
    "li",
    { title: outcome },
    h("div", { class: "span" }, name, h("div", { class: "track" }, part), h("span", { class: "num small" }, format.micros(span.duration_us))),
  );
}

function logged({ line: said, depth }) {
  const element = line(said, { isInTrace: true });
  element.className = "line";
  element.style.paddingLeft = `${DEPTH_PX * (Math.min(depth, DEPTH_MAX) + 1)}px`;
  return h("li", {}, element);
}
