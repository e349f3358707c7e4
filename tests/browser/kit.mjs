// What the scripts are made of. Each ends by itself: well, or with what went
// wrong, or because it took too long.

import { strict as assert } from "node:assert";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PATIENCE_MS = 30_000;
const SCRIPT_MS = 120_000;

const require = createRequire(join(process.env.PICOLET_TEST_NODE, "package.json"));

export const { io } = require("socket.io-client");

/// The result of something that must end soon.
export async function within(what, doing, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([doing, late]);
  } finally {
    clearTimeout(timer);
  }
}

/// Asks again and again until the answer is not false.
export async function until(what, ask) {
  const asking = async () => {
    for (;;) {
      const answer = await ask();
      if (answer) {
        return answer;
      }
      await new Promise((go) => setTimeout(go, 20));
    }
  };
  return within(what, asking());
}

/// Runs a script to its end, which is the end of the process.
export async function script(doing) {
  try {
    await within("the script to end", doing(...process.argv.slice(2)), SCRIPT_MS);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  process.exit(0);
}

/// Tells the test how far it is.
export function say(line) {
  process.stdout.write(`${line}\n`);
}

/// Waits for the test to say so.
export async function told(line) {
  const lines = createInterface({ input: process.stdin });
  try {
    const heard = new Promise((go) => lines.on("line", (other) => other === line && go()));
    await within(`to be told: ${line}`, heard, SCRIPT_MS);
  } finally {
    lines.close();
  }
}

/// The arguments of the next event of this name.
export function heard(socket, event) {
  const next = new Promise((go) => socket.once(event, (...data) => go(data)));
  return within(`the event ${event}`, next);
}

/// What an acknowledgement is called with.
export function acknowledged(socket, event, ...data) {
  const answer = new Promise((go) => socket.emit(event, ...data, (...given) => go(given)));
  return within(`${event} to be acknowledged`, answer);
}

/// A socket of its own that is connected.
export async function connected(url, options = {}) {
  const socket = io(url, { forceNew: true, ...options });
  const refused = new Promise((_, reject) => socket.once("connect_error", reject));
  await Promise.race([heard(socket, "connect"), refused]);
  return socket;
}

/// Options of a client that is back soon.
export const QUICK = { reconnectionDelay: 50, reconnectionDelayMax: 200 };

/// Has the test restart the host, and waits until the socket is connected again.
export async function comesBack(socket) {
  const left = heard(socket, "disconnect");
  // A session that is lost within its upgrade is noticed by its pings alone.
  await until("the upgrade", () => socket.io.engine.transport.name === "websocket");
  say("connected");
  await left;
  const again = new Promise((go) => socket.once("connect", go));
  await told("restarted");
  await within("the client to come back", again);
}

/// A rate of the example `arbitration` becomes another.
export async function changeRate(url, pair, rate) {
  const response = await fetch(`${url}/arbitration/${pair}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ rate }),
  });
  assert.equal(response.status, 200);
}

/// A fault as every caller gets it.
export function checkFault(answer, code, fault) {
  assert.equal(typeof answer.error, "string");
  assert.deepEqual([answer.code, answer.fault], [code, fault]);
}

/// Drives a browser that has no screen, and ends it in any case.
export async function browse(doing) {
  const { chromium } = require("playwright-core");
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    await doing(browser);
  } finally {
    await within("the browser to close", browser.close());
  }
}

/// A page, what went wrong in it, and all that it asked for.
export async function open(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const wrong = [];
  page.on("console", (line) => {
    // Browsers ask for an icon that nobody has promised.
    const isAsked = !line.location().url.endsWith("/favicon.ico");
    if (line.type() === "error" && isAsked) {
      wrong.push(`${line.text()} ${line.location().url}`);
    }
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(url);
  return { page, wrong, asked };
}

/// Waits until an element has a text.
export async function shows(page, selector, text) {
  const read = async () => (await page.textContent(selector)) ?? "";
  await until(`${selector} to show ${text}`, async () => (await read()).includes(text));
}
