// Server-sent events, read by hand: an EventSource tells neither why it was
// refused nor that nothing comes any more.

import { send } from "./api.js";

const PAUSES_MS = [250, 500, 1_000, 2_000];

/// Follows a stream until the signal ends it, and comes back when it breaks.
/// `told` gets the name and the data of each event, `changed` whether the host
/// is there and why not. Who is silent for `silence` milliseconds is gone.
export async function follow(path, { told, changed, signal, silence }) {
  let failures = 0;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    signal.addEventListener("abort", end);
    try {
      const heard = () => {
        failures = 0;
        changed?.(true);
      };
      await read(path, told, heard, attempt, silence);
      changed?.(false, "the stream has ended");
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      changed?.(false, error.message, error.status);
      if (error.status === 404) {
        return;
      }
    } finally {
      signal.removeEventListener("abort", end);
      attempt.abort();
    }
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)], signal);
    failures += 1;
  }
}

async function read(path, told, heard, attempt, silence) {
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = silence && setTimeout(() => attempt.abort(), silence);
  };
  wait();
  try {
    const answer = await send("GET", path, { signal: attempt.signal });
    if (!answer.ok) {
      const error = new Error(`the host answered ${answer.status}`);
      error.status = answer.status;
      throw error;
    }
    heard();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      wait();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      parts.forEach((part) => tell(part, told));
    }
  } finally {
    clearTimeout(timer);
  }
}

function tell(part, told) {
  let [name, data] = ["message", []];
  for (const line of part.split("\n")) {
    if (line.startsWith("event:")) {
      name = line.slice(6).trim();
    } else if (line.startsWith("data:")) {
      data.push(line.slice(5).replace(/^ /, ""));
    }
  }
  if (data.length) {
    told(name, JSON.parse(data.join("\n")));
  }
}

function pause(ms, signal) {
  return new Promise((go) => {
    const timer = setTimeout(go, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      go();
    }, { once: true });
  });
}
