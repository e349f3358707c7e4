// Asks the host. Where it demands a token, the user is asked for it once and
// the request is made again.

import { askToken } from "./dialog.js";

/// What the host answered instead of what was asked for.
export class Refused extends Error {
  constructor(status, answer) {
    super(answer?.error ?? `the host answered ${status}`);
    this.status = status;
  }
}

/// A request with the answer as it comes. With `isCall` the answer is that of a
/// method, and what it demands is nothing the host does.
export async function send(verb, path, { body, signal, headers, isCall = false } = {}) {
  const request = {
    method: verb,
    signal,
    cache: "no-store",
    credentials: "same-origin",
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  for (;;) {
    const answer = await fetch(path, request);
    if (answer.status !== 401 || isCall) {
      return answer;
    }
    await askToken();
  }
}

/// A request whose answer is JSON.
export async function ask(verb, path, options) {
  const answer = await send(verb, path, options);
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = { error: text };
  }
  if (!answer.ok) {
    throw new Refused(answer.status, value);
  }
  return value;
}

/// A path of parts that may hold anything, and a query.
export function path(parts, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const pairs = said.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/admin/v1/${parts.map(encodeURIComponent).join("/")}${pairs.length ? "?" : ""}${pairs.join("&")}`;
}

/// Asks every so often and shows the answer, until the signal ends it. Nothing
/// is asked while nobody looks.
export function poll(every, signal, question, show) {
  let timer;
  const turn = async () => {
    try {
      if (!document.hidden) {
        show(null, await question());
      }
    } catch (error) {
      if (!signal.aborted) {
        show(error, null);
      }
    }
    if (!signal.aborted) {
      timer = setTimeout(turn, every);
    }
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}
