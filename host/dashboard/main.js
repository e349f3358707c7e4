// Begins: follows the host, and shows the page that the address names.

import { note } from "./lib/dialog.js";
import { h, setAttribute, setText } from "./lib/dom.js";
import { begin } from "./lib/state.js";
import { graph } from "./pages/graph.js";
import { registry } from "./pages/registry.js";
import { service } from "./pages/service.js";
import { services } from "./pages/services.js";
import { trace } from "./pages/trace.js";
import { traces } from "./pages/traces.js";
import { tryIt } from "./pages/try.js";

/// Each is given where to show, the parts of its address, its query, and the
/// signal that ends it; it answers with its title.
const PAGES = { "": services, service, graph, traces, trace, try: tryIt, registry };

/// Which entry of the menu a page belongs to.
const UNDER = { service: "", trace: "traces" };

let leave = new AbortController();

function show() {
  leave.abort();
  leave = new AbortController();
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = path.split("/").map(decodeURIComponent);
  const main = document.getElementById("main");
  const page = h("div", { class: "stack" });
  const open = PAGES[name] ?? nothing;
  const title = open(page, parts, new URLSearchParams(query), leave.signal);
  main.replaceChildren(page);
  document.title = `${title} · Picolet`;
  const current = `#/${UNDER[name] ?? name}`;
  for (const link of document.querySelectorAll("#nav a")) {
    setAttribute(link, "aria-current", link.getAttribute("href") === current ? "page" : null);
  }
}

function nothing(root) {
  root.append(h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "To the services")));
  return "No such page";
}

function changed(isThere, isOther, reason, status) {
  const [banner, dot] = [document.getElementById("banner"), document.querySelector("#link .dot")];
  dot.className = `dot ${isThere ? "good" : "warn"}`;
  setText(document.getElementById("link-text"), isThere ? "live" : "not connected");
  banner.hidden = isThere;
  if (!isThere) {
    const why = status === 503 ? "The host takes no more readers." : "The host does not answer.";
    setText(banner, `${why} What is shown may be old; trying again until it does.`);
  } else if (isOther) {
    note("The host was restarted.");
  }
}

addEventListener("hashchange", () => {
  show();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
show();
begin(changed);
