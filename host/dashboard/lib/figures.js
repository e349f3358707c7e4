// Large numbers in a row, some with their course below.

import { h, setAttribute, setText } from "./dom.js";
import { spark } from "./spark.js";

/// `parts`: `label`, and `course` where there is one. Shows `[text, look,
/// values, failures]` for each.
export function figures(parts) {
  const shown = parts.map((part) => ({ value: h("dd", {}, "–"), line: part.course ? spark() : null }));
  const boxes = parts.map((part, at) => h("div", {}, h("dt", {}, part.label), shown[at].value, shown[at].line && h("dd", {}, shown[at].line.element)));
  const show = (all) => {
    all.forEach(([text, look, values, failures], at) => {
      setText(shown[at].value, text);
      setAttribute(shown[at].value, "class", look || null);
      shown[at].line?.show(values ?? [], failures);
    });
  };
  return { element: h("dl", { class: "figures" }, boxes), show };
}
