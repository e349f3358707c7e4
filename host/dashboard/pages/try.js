// Try it: a method is chosen and filled in, and called as the command line
// calls it.

import { ask, path, send } from "../lib/api.js";
import { h, setAttribute, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";
import { state, watch } from "../lib/state.js";

export function tryIt(root, [name = "", wanted = ""], _query, signal) {
  const names = h("datalist", { id: "names" });
  const service = h("input", { list: "names", value: name, required: true, autocomplete: "off", spellcheck: "false", onchange: () => choose() });
  const method = h("select", { onchange: () => fields() });
  const params = h("div", { class: "fields" });
  const data = h("textarea", { spellcheck: "false" });
  const dataLabel = h("span", {}, "");
  const dataField = h("label", { class: "field" }, dataLabel, data);
  const fault = h("p", { class: "is-bad", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "main" }, "Call");
  const form = h(
    "form",
    { class: "card fields", onsubmit: call },
    h("label", { class: "field" }, h("span", {}, "Service"), service),
    names,
    h("label", { class: "field" }, h("span", {}, "Method"), method),
    params,
    dataField,
    fault,
    h("div", { class: "bar" }, button),
  );
  const answer = outcome();
  root.append(h("h1", {}, "Try it"), h("div", { class: "columns" }, form, answer.element));
  let routes = [];
  let asked = 0;

  async function choose(first = "") {
    const [turn, chosen] = [(asked += 1), service.value.trim()];
    let found = [];
    try {
      found = chosen ? await methodsOf(chosen, signal) : [];
      complain(chosen && found.length === 0 ? "It has no methods." : "");
    } catch (error) {
      complain(error.message);
    }
    if (turn !== asked || signal.aborted) {
      return;
    }
    routes = found;
    method.replaceChildren(...routes.map((route) => h("option", { value: route.name }, `${route.name} · ${route.type} ${route.pattern ?? route.path ?? ""}`)));
    if (routes.some((route) => route.name === first)) {
      method.value = first;
    }
    fields();
  }

  function fields() {
    const route = routes.find((route) => route.name === method.value);
    const declared = route?.params ?? [];
    params.replaceChildren(
      ...declared.map((param) => h("label", { class: "field" }, h("span", {}, param), h("input", { name: param, autocomplete: "off", required: true }))),
    );
    button.disabled = !route;
    dataField.hidden = !route;
    const isBody = route && !["GET", "DELETE"].includes(route.type);
    setText(dataLabel, isBody ? "Body, as JSON" : "Query, as a JSON object");
    setAttribute(data, "placeholder", isBody ? '{"name": "John"}' : '{"count": 5}');
  }

  function complain(text) {
    setText(fault, text);
    fault.hidden = !text;
  }

  async function call(event) {
    event.preventDefault();
    let rest;
    try {
      rest = data.value.trim() ? JSON.parse(data.value) : undefined;
    } catch (error) {
      complain(`This is no JSON: ${error.message}`);
      return;
    }
    complain("");
    const order = { target: `${service.value.trim()}.${method.value}`, args: [...params.querySelectorAll("input")].map((input) => input.value), data: rest };
    button.disabled = true;
    try {
      await answer.show(order, signal);
    } catch (error) {
      if (!signal.aborted) {
        complain(`The call could not be made: ${error.message}`);
      }
    }
    button.disabled = false;
  }

  let listed = "";
  watch(() => {
    const known = [...new Set([...state.services.values(), ...state.records.values()].map((one) => one.name))].sort();
    if (listed !== known.join("\n")) {
      listed = known.join("\n");
      names.replaceChildren(...known.map((name) => h("option", { value: name })));
    }
  }, signal);
  choose(wanted);
  return "Try it";
}

/// The methods of a service of this host, or of a record of somebody else.
async function methodsOf(name, signal) {
  const versions = [...state.services.values()].filter((one) => one.name === name);
  const version = versions.toSorted((a, b) => b.traffic - a.traffic)[0]?.version;
  const found = await ask("GET", path(["services", name], { version }), { signal });
  return found.routes ?? found.records?.[0]?.methods ?? [];
}

/// The answer of a call.
function outcome() {
  const [badge, took, size] = [h("span", { class: "badge" }), h("span", { class: "num soft" }), h("span", { class: "soft small" })];
  const link = h("a", {}, "its trace");
  const body = h("pre", { class: "answer", tabindex: "0", "aria-label": "Body of the answer" });
  const none = h("p", { class: "soft" }, "What the method answers appears here.");
  const head = h("p", { class: "bar", role: "status" }, badge, took, size, link);
  head.hidden = true;
  body.hidden = true;
  const element = h("section", { class: "card stack" }, h("h2", {}, "Answer"), none, head, body);
  const show = async (order, signal) => {
    const began = performance.now();
    const answer = await send("POST", "/admin/v1/call", { body: order, signal, isCall: true });
    const content = await answer.text();
    const ms = performance.now() - began;
    none.hidden = true;
    head.hidden = false;
    body.hidden = false;
    const fault = answer.headers.get("x-picolet-fault");
    setText(badge, [answer.status, fault].filter(Boolean).join(" "));
    setAttribute(badge, "class", `badge ${answer.ok ? "good" : "bad"}`);
    setText(took, format.millis(ms));
    setText(size, `${format.bytes(new Blob([content]).size)} of ${answer.headers.get("content-type") ?? "no type"}`);
    const trace = (answer.headers.get("traceparent") ?? "").split("-")[1];
    link.hidden = !trace;
    link.href = `#/trace/${trace}`;
    setText(body, pretty(content, answer.headers.get("content-type") ?? ""));
  };
  return { element, show };
}

function pretty(text, type) {
  if (!type.includes("json")) {
    return text || "(empty)";
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
