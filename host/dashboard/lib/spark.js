// The course of a figure as a small line.

import { drawn, setAttribute } from "./dom.js";

const [WIDTH, HEIGHT, POINTS] = [100, 20, 60];

/// A line, and a function that shows values in it; a second list is drawn over
/// it in the colour of failures.
export function spark() {
  const [line, failing] = [drawn("path", {}), drawn("path", { class: "failing" })];
  const element = drawn(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    line,
    failing,
  );
  const show = (values, failures = []) => {
    const top = Math.max(...values, ...failures, 0) || 1;
    const isThere = (values) => values.some((value) => 0 < value);
    setAttribute(line, "d", isThere(values) ? trace(values, top) : "");
    setAttribute(failing, "d", isThere(failures) ? trace(failures, top) : "");
  };
  return { element, show };
}

function trace(values, top) {
  const first = POINTS - values.length;
  const point = (value, at) => {
    const x = ((first + at) / (POINTS - 1)) * WIDTH;
    const y = HEIGHT - 1 - (value / top) * (HEIGHT - 2);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  return values.length < 2 ? "" : `M${values.map(point).join("L")}`;
}
