// Who calls whom: a drawing for the eye, and the same as a list.

import { drawn, h, keyed, setAttribute, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";
import { layers } from "../lib/layers.js";
import { address, isFailing } from "../lib/standing.js";
import { services, state, watch } from "../lib/state.js";

const [NODE_HEIGHT, GAP_Y, EDGE] = [32, 16, 20];
/// Of a frame that is wider than this, and of one that is not.
const WIDE = 640;
const SIZES = { wide: { node: 176, gap: 96, chars: 22 }, narrow: { node: 132, gap: 40, chars: 15 } };
/// So much of the picture is seen at once: what has room is in the middle of it.
const SEEN = 560;
const WIDTH_MAX = 9;

export function graph(root, _parts, _query, signal) {
  const edges = drawn("g", {});
  const nodes = drawn("g", {});
  const picture = drawn("svg", { "aria-hidden": "true" }, edges, nodes);
  const frame = h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Drawing of who calls whom; the list below says the same" }, picture);
  const idle = h("input", { type: "checkbox", checked: true, onchange: () => show() });
  const empty = h("p", { class: "card empty" }, "No call was made since the host started.");
  const full = h("p", { class: "is-warn small", hidden: true }, "There are more pairs than are counted; some are missing.");
  const list = table();
  root.append(
    h("div", { class: "head" }, h("h1", { class: "grow" }, "Who calls whom"), h("label", { class: "check" }, idle, "Show what is idle")),
    legend(),
    full,
    empty,
    frame,
    list.element,
  );
  let drawnFor = "";
  let places = null;

  function show() {
    const known = [...state.edges.values()].filter((edge) => idle.checked || 0 < edge.rate);
    known.sort((a, b) => compare(a.from, b.from) || compare(a.to, b.to));
    empty.hidden = 0 < known.length;
    frame.hidden = known.length === 0;
    list.element.hidden = frame.hidden;
    full.hidden = !state.host.edges_full;
    if (known.length === 0) {
      return;
    }
    const size = root.clientWidth < WIDE ? SIZES.narrow : SIZES.wide;
    const shape = [size.node, ...known.map((edge) => `${edge.from}>${edge.to}`)].join("\n");
    if (shape !== drawnFor) {
      drawnFor = shape;
      places = place(known, picture, size);
    }
    drawNodes(nodes, places, size);
    drawEdges(edges, known, places, size);
    list.show(known);
  }
  watch(show, signal);
  addEventListener("resize", show, { signal });
  return "Graph";
}

function compare(a, b) {
  return a < b ? -1 : Number(b < a);
}

/// Where each node stands, in the units of the picture, whose size it sets.
function place(edges, picture, size) {
  const ids = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const { places, layers: count, widest } = layers(ids, edges);
  const height = widest * (NODE_HEIGHT + GAP_Y) + 2 * EDGE;
  const width = count * (size.node + size.gap) - size.gap + 2 * EDGE;
  setAttribute(picture, "viewBox", `0 0 ${width} ${height}`);
  setAttribute(picture, "width", width);
  setAttribute(picture, "height", height);
  const where = new Map();
  for (const [id, { layer, place: at, of }] of places) {
    const x = EDGE + layer * (size.node + size.gap);
    const room = Math.max(Math.min(height, SEEN) - 2 * EDGE, of * (NODE_HEIGHT + GAP_Y));
    const y = EDGE + ((at + 0.5) * room) / of - NODE_HEIGHT / 2;
    where.set(id, { id, x, y });
  }
  return where;
}

function drawNodes(group, places, size) {
  const live = new Set(services().map((service) => service.name));
  const external = new Set([...state.records.values()].map((record) => record.name));
  const kind = (id) => (live.has(id) ? "service" : external.has(id) || !id ? "external" : "gone");
  const items = [...places.values()].map((node) => ({ ...node, kind: kind(node.id) }));
  keyed(group, items, (node) => `${node.id}@${node.x},${node.y},${size.node}`, ({ id, x, y }) => {
    const rect = drawn("rect", { width: size.node, height: NODE_HEIGHT, rx: 8 });
    const label = drawn("text", { x: 12, y: 20.5 }, short(id || "outside", size.chars));
    const title = drawn("title", {});
    const element = drawn("g", { transform: `translate(${x} ${y})` }, title, rect, label);
    element.addEventListener("click", () => {
      if (id) {
        location.hash = address(id);
      }
    });
    const show = ({ kind }) => {
      setAttribute(element, "class", `node ${kind} ${id ? "linked" : ""}`);
      const words = { service: "service of this host", external: "somewhere else", gone: "not there now" };
      setText(title, id ? `${id}: ${words[kind]}` : "outside: callers that are no services of this host");
    };
    return { element, show };
  });
}

function short(text, chars) {
  return text.length <= chars ? text : `${text.slice(0, chars - 9)}…${text.slice(-8)}`;
}

function drawEdges(group, edges, places, size) {
  const path = ({ from, to }) => curve(places.get(from), places.get(to), size);
  keyed(group, edges, (edge) => `${edge.from}>${edge.to}@${path(edge)}`, (edge) => {
    const title = drawn("title", {});
    const element = drawn("path", { d: path(edge) }, title);
    const show = (edge) => {
      setAttribute(element, "class", `edge ${look(edge)}`);
      setAttribute(element, "stroke-width", width(edge).toFixed(1));
      setText(title, `${edge.from || "outside"} to ${edge.to}: ${format.rate(edge.rate)} calls/s, ${format.share(edge.failing, edge.rate)} fail`);
    };
    return { element, show };
  });
}

function width({ rate }) {
  return Math.min(WIDTH_MAX, 1.2 + 0.8 * Math.log2(1 + rate));
}

function look({ rate, failing }) {
  if (!rate) {
    return "idle";
  }
  if (!failing) {
    return "flowing";
  }
  return isFailing({ rate, failing }) ? "failing" : "some";
}

function curve(from, to, size) {
  const middle = NODE_HEIGHT / 2;
  const [x1, y1, x2, y2] = [from.x + size.node, from.y + middle, to.x, to.y + middle];
  if (x1 < x2) {
    const bend = (x2 - x1) / 2;
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  // Back, or to itself: around below.
  const low = Math.max(y1, y2) + NODE_HEIGHT;
  return `M${x1} ${y1}C${x1 + 50} ${low} ${x2 - 50} ${low} ${x2} ${y2}`;
}

function legend() {
  const entries = [
    ["flowing", "calls"],
    ["some", "some of them fail"],
    ["failing", "one in twenty or more fail"],
    ["", "idle"],
  ];
  const line = ([look, text]) => h("li", {}, h("span", { class: `swatch ${look}` }), text);
  return h("ul", { class: "key" }, entries.map(line), h("li", {}, "The wider, the more calls."));
}

function table() {
  const titles = ["Caller", "Called", "Calls per second", "Errors per second", "Calls", "Errors"];
  const heads = titles.map((title, at) => h("th", { scope: "col", class: 1 < at ? "right" : null }, title));
  const body = h("tbody", {});
  const element = h(
    "div",
    { class: "table-box" },
    h("table", { class: "folding two" }, h("caption", { class: "hidden" }, "Who calls whom"), h("thead", {}, h("tr", {}, heads)), body),
  );
  const show = (edges) => {
    keyed(body, edges, (edge) => `${edge.from}>${edge.to}`, (edge) => {
      const name = (id) => (id ? h("a", { href: address(id) }, id) : "outside");
      const labels = ["Calls/s", "Errors/s", "Calls", "Errors"];
      const cells = labels.map((label) => h("td", { class: "right", "data-label": label }));
      const show = (one) => {
        const texts = [format.rate(one.rate), format.rate(one.failing), format.count(one.calls), format.count(one.failures)];
        texts.forEach((text, at) => setText(cells[at], text));
        cells[1].classList.toggle("is-bad", 0 < one.failing);
      };
      const ends = [h("td", { class: "wide" }, name(edge.from)), h("td", { class: "wide callee" }, name(edge.to))];
      return { element: h("tr", {}, ends, cells), show };
    });
  };
  return { element, show };
}
