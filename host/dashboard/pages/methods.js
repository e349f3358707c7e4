// The methods of a service with their figures.

import { h, keyed, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";

const SPAN_MS = 10_000;

export function methods() {
  const titles = ["Method", "Route", "Calls per second", "Calls", "Errors", "Median", "99%"];
  const heads = titles.map((title, at) => h("th", { scope: "col", class: 1 < at ? "right" : null }, title));
  const body = h("tbody", {});
  const table = h("table", { class: "folding" }, h("caption", { class: "hidden" }, "Methods"), h("thead", {}, h("tr", {}, heads)), body);
  const element = h("section", { class: "card" }, h("h2", {}, "Methods"), h("div", { class: "table-box" }, table));
  const samples = [];
  let of = null;
  let taken = null;

  const show = (service, details) => {
    element.hidden = !details?.routes.length;
    if (element.hidden) {
      return;
    }
    if (of !== service.digest) {
      samples.length = 0;
      of = service.digest;
    }
    if (taken !== details) {
      taken = details;
      samples.push({ at: performance.now(), figures: new Map(details.figures.map((one) => [one.name, one])) });
      while (2 < samples.length && SPAN_MS < performance.now() - samples[0].at) {
        samples.shift();
      }
    }
    const rows = details.routes.map((route) => ({ ...route, service, ...rates(samples, route.name) }));
    keyed(body, rows, (row) => row.name, row);
  };
  return { element, show };
}

/// What a method has done, and how often in the last seconds.
function rates(samples, name) {
  const [first, last] = [samples[0], samples.at(-1)];
  const [before, now] = [first.figures.get(name), last.figures.get(name)];
  const seconds = (last.at - first.at) / 1_000;
  const grown = now && before && 0 < seconds ? Math.max(0, now.calls - before.calls) / seconds : 0;
  return { ...now, rate: grown };
}

function row() {
  const labels = [null, null, "Calls/s", "Calls", "Errors", "Median", "99%"];
  const cells = labels.map((label, at) => h("td", { class: 1 < at ? "right" : "wide", "data-label": label }));
  const link = h("a", {});
  const under = h("span", { class: "cell-under" });
  cells[0].append(h("span", { class: "cell-name" }, link), under);
  cells[1].classList.add("mono");
  const show = (method) => {
    setText(link, method.name);
    link.href = `#/try/${encodeURIComponent(method.service.name)}/${encodeURIComponent(method.name)}`;
    setText(under, method.idempotent ? "may be repeated" : "");
    const texts = [
      `${method.type} ${method.service.root}${method.pattern ?? method.path}`,
      format.rate(method.rate),
      format.count(method.calls),
      format.count(method.failures),
      format.micros(method.p50_us),
      format.micros(method.p99_us),
    ];
    texts.forEach((text, at) => setText(cells[at + 1], text));
    cells[4].classList.toggle("is-bad", 0 < method.failures);
  };
  return { element: h("tr", {}, cells), show };
}
