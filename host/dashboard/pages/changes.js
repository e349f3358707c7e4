// What can be changed of a service. Each asks first, and says what will happen.

import { ask, path } from "../lib/api.js";
import { attempt, question } from "../lib/dialog.js";
import * as format from "../lib/format.js";

/// Back to the revision before.
export async function rollBack(service) {
  const [live, before] = service.file?.revisions ?? [];
  const to = before ? `version ${before.version} (${format.digest(before.digest)})` : "the revision before it, if it is kept";
  const isMeant = await question({
    title: `Roll back ${service.name}?`,
    says: [
      `Version ${service.version} (${format.digest(live?.digest ?? service.digest)}) takes no more calls and finishes those that run.`,
      `Callers find ${to} instead.`,
      `The file ${service.module}.wasm stays as it is; it is served again when its content changes.`,
    ],
    confirm: "Roll back",
    danger: true,
  });
  if (isMeant) {
    await attempt(
      () => ask("POST", path(["services", service.name, "rollback"], { version: service.version })),
      ({ from, to: now }) => `Rolled back ${service.name} from ${from.version} to ${now.version}.`,
    );
  }
}

/// What a version weighs beside the others.
export function changeTraffic(service) {
  return changeNumber(service, "traffic", {
    at: "traffic",
    title: "Traffic",
    says: ["Calls are drawn among the live versions by their weights.", "With 0 it takes only calls that ask for this version."],
    label: "Weight",
    bounds: { min: 0, max: 10_000 },
    done: (weight) => `weighs ${weight} now.`,
  });
}

/// How many calls may run at once.
export function changeLimit(service) {
  return changeNumber(service, "concurrency", {
    at: "limits",
    title: "Calls at once",
    says: ["More calls than that wait in line.", "Calls that run are not ended."],
    label: "Calls at once",
    bounds: { min: 1, max: 1_024 },
    done: (count) => `takes ${count} calls at once now.`,
  });
}

/// Asks for another value of one number of a version, and has the host take it.
async function changeNumber(service, key, { at, title, says, label, bounds, done }) {
  const which = `${service.name} ${service.version}`;
  const given = await question({
    title: `${title} of ${which}`,
    says: [...says, "It holds until its next revision, which has what its manifest says."],
    fields: [{ name: key, label, input: { type: "number", step: 1, value: service[key], ...bounds } }],
    confirm: "Change",
  });
  if (given) {
    const to = path(["services", service.name, at], { version: service.version });
    await attempt(
      () => ask("PATCH", to, { body: { [key]: Number(given[key]) } }),
      (answer) => `${which} ${done(answer[key])}`,
    );
  }
}

/// New instances of the same content.
export async function restart(service) {
  const isMeant = await question({
    title: `Restart ${service.name} ${service.version}?`,
    says: [
      "Its instances are replaced by new ones of the same content.",
      "Calls that run are finished; no call is lost.",
      "What it has only in memory is gone.",
    ],
    confirm: "Restart",
    danger: true,
  });
  if (isMeant) {
    await attempt(
      () => ask("POST", path(["services", service.name, "restart"], { version: service.version })),
      () => `Restarted ${service.name}.`,
    );
  }
}

/// Out of the folder.
export async function remove(service) {
  const isMeant = await question({
    title: `Remove ${service.name} ${service.version}?`,
    says: [
      `The file ${service.module}.wasm and its manifest are deleted from the watched folder.`,
      "It takes no more calls and finishes those that run.",
      "To have it back, its file has to be deployed again.",
    ],
    confirm: "Remove",
    danger: true,
  });
  if (isMeant) {
    await attempt(
      () => ask("DELETE", path(["modules", service.module])),
      () => `Removed ${service.name}.`,
    );
  }
}
