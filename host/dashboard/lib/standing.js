// How a service stands, in one word and one colour.

import { plural } from "./format.js";

/// Whether one in twenty or more fail.
export function isFailing({ rate = 0, failing = 0 }) {
  return 0 < failing && 0.05 * rate <= failing;
}

/// The look and the words for a live service.
export function standing(service) {
  const { waiting = 0, running = 0 } = service.figures;
  if (service.withdrawn) {
    return ["bad", "withdrawn"];
  }
  if (service.file?.refusal) {
    return ["warn", "serving, newest content refused"];
  }
  if (isFailing(service.figures)) {
    return ["bad", "failing"];
  }
  if (service.traffic === 0) {
    return ["warn", "no traffic"];
  }
  if (0 < waiting && service.concurrency <= running) {
    return ["warn", `full, ${plural(waiting, "call")} in line`];
  }
  if (service.file?.pinned) {
    return ["warn", "rolled back"];
  }
  return ["good", "serving"];
}

/// Where the page of a service is.
export function address(name, version) {
  return `#/service/${encodeURIComponent(name)}${version ? `?version=${encodeURIComponent(version)}` : ""}`;
}
