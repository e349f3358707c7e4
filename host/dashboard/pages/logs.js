// The log of a service as it is written.

import { path } from "../lib/api.js";
import { h, setText } from "../lib/dom.js";
import { follow } from "../lib/events.js";
import * as format from "../lib/format.js";

const LINES_MAX = 400;
const LOOKS = { error: "is-bad", warn: "is-warn" };

/// The last lines of a service, and all that follow until the signal.
export function logs(service, signal) {
  const list = h("div", { class: "logs", tabindex: "0", role: "log", "aria-live": "off", "aria-label": `Log of ${service}` });
  const empty = h("p", { class: "soft small" }, "Nothing was logged yet.");
  const hold = h("input", { type: "checkbox" });
  const waiting = [];
  hold.addEventListener("change", () => flush());
  const head = h("div", { class: "head" }, h("h2", { class: "grow" }, "Log"), h("label", { class: "check small" }, hold, "Hold"));
  const element = h("section", { class: "card" }, head, empty, list);
  list.hidden = true;

  function flush() {
    if (hold.checked || waiting.length === 0) {
      return;
    }
    list.hidden = false;
    empty.hidden = true;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...waiting.splice(0).slice(-LINES_MAX).map(line));
    while (LINES_MAX < list.childElementCount) {
      list.firstElementChild.remove();
    }
    if (isAtEnd) {
      list.scrollTop = list.scrollHeight;
    }
  }

  let isDue = false;
  const told = (_name, said) => {
    waiting.push(said);
    if (2 * LINES_MAX < waiting.length) {
      waiting.splice(0, LINES_MAX);
    }
    if (!isDue) {
      isDue = true;
      setTimeout(() => {
        isDue = false;
        flush();
      }, 150);
    }
  };
  const changed = (isThere, _reason, status) => {
    if (isThere) {
      // The lines that are kept come again.
      list.replaceChildren();
      waiting.length = 0;
    } else if (status === 404) {
      setText(empty, "This host keeps no lines.");
    }
  };
  follow(path(["logs"], { service, follow: true }), { told, changed, signal });
  return { element };
}

/// One line of a log, with the way to its trace unless that is where it stands.
export function line(said, { isInTrace = false } = {}) {
  const fields = Object.entries(said.fields ?? {}).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const level = String(said.level ?? "").toLowerCase();
  const trace = said.trace_id && !isInTrace && h("a", { href: `#/trace/${said.trace_id}` }, "trace");
  return h(
    "p",
    {},
    h("time", {}, format.clock(said.time_ms)),
    h("b", { class: LOOKS[level] }, level),
    " ",
    [said.message, ...fields].join(" "),
    " ",
    trace,
  );
}
