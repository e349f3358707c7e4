// Sections of the page of a service. Each has an element, and shows the live
// service, what was asked of it besides, and all versions of its name.

import { h, keyed, setAttribute, setText } from "../lib/dom.js";
import * as format from "../lib/format.js";
import { address } from "../lib/standing.js";
import { state } from "../lib/state.js";

function card(title, ...content) {
  return h("section", { class: "card" }, h("h2", {}, title), content);
}

/// Revisions of its module, the live one first.
export function revisions() {
  const pinned = h("p", { class: "small is-warn" });
  const list = h("ol", { class: "rows" });
  const element = card("Revisions", pinned, list);
  const show = (service) => {
    const module = service.file;
    pinned.hidden = !module?.pinned;
    setText(pinned, module?.pinned ?? "");
    const known = (module?.revisions ?? []).map((revision, at) => ({ ...revision, isLive: at === 0 }));
    keyed(list, known, (one) => `${one.digest} ${one.live_since}`, () => {
      const [name, badge, when] = [h("b", {}), h("span", { class: "badge good" }, "live"), h("p", { class: "soft small" })];
      const show = (one) => {
        setText(name, `${one.version} `);
        badge.hidden = !one.isLive;
        const took = `loaded in ${format.millis(one.load_ms)}`;
        setText(when, `${format.ago(one.live_since * 1_000, state.host.time_ms)} · ${took} · ${format.digest(one.digest)} · ${one.tier}`);
      };
      return { element: h("li", {}, h("p", {}, name, badge), when), show };
    });
  };
  return { element, show };
}

/// Versions of its name and what each weighs.
export function versions() {
  const list = h("ul", { class: "rows" });
  const element = card("Traffic", list);
  const show = (service, _details, ofName) => {
    const sum = ofName.reduce((sum, one) => sum + one.traffic, 0);
    const known = ofName.map((one) => ({ ...one, sum, isThis: one.id === service.id }));
    keyed(list, known, (one) => one.id, () => {
      const [link, share, fill] = [h("a", {}), h("span", { class: "num soft" }), h("div", {})];
      const why = h("p", { class: "small is-bad" });
      const show = (one) => {
        setText(link, one.version);
        link.href = address(one.name, one.version);
        setAttribute(link, "aria-current", one.isThis ? "true" : null);
        setText(share, `weight ${one.traffic}, ${format.share(one.traffic, one.sum)}, ${format.rate(one.figures.rate)} calls/s`);
        fill.style.width = one.sum ? `${(100 * one.traffic) / one.sum}%` : "0";
        setText(why, one.withdrawn ? `Withdrawn: ${one.withdrawn}` : "");
      };
      const element = h("li", {}, h("p", { class: "spread" }, link, share), h("div", { class: "meter" }, fill), why);
      return { element, show };
    });
  };
  return { element, show };
}

/// Limits, and what is used of those of which that is known.
export function limits() {
  const list = h("ul", { class: "rows" });
  const rest = h("dl", { class: "facts small" });
  const element = card("Limits", list, rest);
  const show = (service, details) => {
    const { running = 0, waiting = 0, idle = 0 } = service.figures;
    const kept = details?.limits.kept;
    const used = [
      { name: "calls at once", used: running, of: service.concurrency },
      { name: "calls in line", used: waiting, of: service.queue },
      ...(kept === undefined ? [] : [{ name: "instances kept", used: idle, of: kept }]),
    ];
    keyed(list, used, (one) => one.name, () => {
      const [name, share, fill] = [h("span", {}), h("span", { class: "num soft" }), h("div", {})];
      const show = (one) => {
        setText(name, one.name);
        setText(share, `${format.count(one.used)} of ${format.count(one.of)}`);
        fill.style.width = `${one.of ? Math.min(100, (100 * one.used) / one.of) : 0}%`;
        fill.classList.toggle("full", one.of <= one.used && 0 < one.used && one.name !== "instances kept");
      };
      return { element: h("li", {}, h("p", { class: "spread" }, name, share), h("div", { class: "meter" }, fill)), show };
    });
    const others = Object.entries(details?.limits ?? {}).filter(([name]) => !["concurrency", "queue", "kept"].includes(name));
    keyed(rest, others.flatMap(([name, value]) => [{ term: name }, { value, of: name }]), (one) => one.term ?? `of ${one.of}`, ({ term }) => {
      const element = term ? h("dt", { class: "mono" }) : h("dd", { class: "num" });
      return { element, show: (one) => setText(element, one.term ?? format.count(one.value)) };
    });
  };
  return { element, show };
}

/// Who calls it, and whom it calls.
export function neighbours() {
  const [callers, callees] = [h("ul", { class: "rows" }), h("ul", { class: "rows" })];
  const [noCallers, noCallees] = [h("p", { class: "soft" }, "Nobody has called it."), h("p", { class: "soft" }, "It has called nobody.")];
  const element = card("Neighbours", h("h3", {}, "Called by"), callers, noCallers, h("h3", { class: "later" }, "Calls"), callees, noCallees);
  const show = (service) => {
    const edges = [...state.edges.values()];
    list(callers, noCallers, edges.filter((edge) => edge.to === service.name), "from");
    list(callees, noCallees, edges.filter((edge) => edge.from === service.name), "to");
  };
  const list = (place, none, edges, end) => {
    none.hidden = 0 < edges.length;
    keyed(place, edges, (edge) => edge[end], (edge) => {
      const name = edge[end] ? h("a", { href: address(edge[end]) }, edge[end]) : h("span", {}, "outside");
      const share = h("span", { class: "num soft" });
      const show = (one) => {
        const failing = one.failing ? `, ${format.share(one.failing, one.rate)} fail` : "";
        setText(share, `${format.rate(one.rate)} calls/s, ${format.count(one.calls)} so far${failing}`);
        share.classList.toggle("is-bad", Boolean(one.failing));
      };
      return { element: h("li", {}, h("p", { class: "spread" }, name, share)), show };
    });
  };
  return { element, show };
}

/// What it was given: names of its configuration, grants, and what it wants.
export function facts() {
  const list = h("dl", { class: "facts" });
  const element = card("Configuration and grants", list);
  const show = (_service, details) => {
    element.hidden = !details;
    const rows = details ? told(details).filter(([, value]) => value) : [];
    const parts = rows.flatMap(([name, value]) => [{ id: name, text: name, tag: "dt" }, { id: `of ${name}`, text: value, tag: "dd" }]);
    keyed(list, parts, (part) => part.id, ({ tag }) => {
      const element = h(tag, {});
      return { element, show: ({ text }) => setText(element, text) };
    });
  };
  return { element, show };
}

function told({ description, isolation, config, grants, subscriptions, timers, websockets }) {
  const names = (list) => (list?.length ? list.join(", ") : "");
  return [
    ["Description", description],
    ["Isolation", isolation],
    ["Configuration", names(config.config)],
    ["Environment", names(config.env)],
    ["Secrets", names(config.secrets)],
    ["May call", names(grants.calls)],
    ["May publish", names(grants.publish)],
    ["May subscribe to", names(grants.subscribe)],
    ["Buckets of others", names(grants.buckets)],
    ["Outbound", names(grants.outbound)],
    ["Folders", names(grants.files)],
    ["Open to browsers", names(grants.expose)],
    ["Hears", names(subscriptions.map((one) => (one.group ? `${one.subject} (as one of ${one.group})` : one.subject)))],
    ["Timers", names(timers.map((one) => `${one.name} (${one.schedule})`))],
    ["WebSockets", names(websockets.map((one) => one.path))],
  ];
}
