// The dashboard over a crowd, to look at: crowd.mjs [COUNT]
//
// Starts the built host over a folder with so many services, 1,000 unless it is
// said, some of them busy and some refused, leaves what each page shows in
// target/screenshots, and tells how long the page was stuck at most while it
// was open: frames come every 17 ms. It is no test: somebody has to look. Before it:
// `cargo build --release`, `cargo xtask guests`, and `cargo xtask test` once for
// the packages.

import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const GUEST = join(ROOT, "target/guests/calc-wasi2.wasm");
const FOLDER = join(ROOT, "target/screenshots");
const WORDS = ["orders", "stock", "billing.invoices", "search", "customers-of-the-northern-region", "mail"];
const BUSY = 40;
const LOOK_MS = 12_000;

process.env.PICOLET_TEST_NODE ??= join(ROOT, "target/browser");
const { browse, open, script, shows } = await import("./kit.mjs");

function named(number) {
  return `${WORDS[number % WORDS.length]}-${String(number).padStart(4, "0")}`;
}

async function fill(services, count) {
  await mkdir(services);
  for (let number = 0; number < count; number += 1) {
    await writeFile(join(services, `${named(number)}.toml`), "strip = true");
    await copyFile(GUEST, join(services, `${named(number)}.wasm`));
  }
  await writeFile(join(services, "half-a-file.wasm"), "this is no module");
  await writeFile(join(services, `${"a-very-long-name-".repeat(7)}.wasm`), "(module)");
}

/// Starts the host; resolves with its addresses when it is ready.
function start(services) {
  const arguments_ = ["serve", services, "--state", join(ROOT, "target/bench-state"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const host = spawn(join(ROOT, "target/release/picolet"), arguments_, { stdio: ["ignore", "ignore", "pipe"] });
  const found = {};
  return new Promise((ready, gone) => {
    host.on("exit", (code) => gone(new Error(`the host ended with ${code}`)));
    createInterface({ input: host.stderr }).on("line", (line) => {
      const [, side, address] = line.match(/listening (services|admin) (\S+)/) ?? [];
      if (side) {
        found[side] = `http://${address}`;
      }
      if (/(^|\s)ready$/.test(line)) {
        ready({ host, ...found });
      }
    });
  });
}

/// Calls some of the services until it is told to stop.
async function keepBusy(services, count, isOver) {
  const caller = async (number) => {
    while (!isOver()) {
      const pair = number % 7 === 0 ? "x/y" : "40/2";
      await fetch(`${services}/${named(number % count)}/api/add/${pair}`).then((answer) => answer.text(), () => null);
      await new Promise((go) => setTimeout(go, 20 + 5 * number));
    }
  };
  await Promise.all(Array.from({ length: BUSY }, (_, number) => caller(number)));
}

/// Runs in the page: gathers the times that nothing else could be done.
function noteStuck() {
  window.times = [];
  new PerformanceObserver((list) => window.times.push(...list.getEntries())).observe({ type: "longtask" });
}

/// Runs in the page, too: what was gathered since it was asked.
function stuck() {
  const times = window.times.splice(0).map((entry) => entry.duration);
  return `stuck for more than 50 ms ${times.length} times, at most ${Math.max(0, ...times)} ms`;
}

async function look(admin, count) {
  await browse(async (browser) => {
    const { page, wrong } = await open(browser, admin);
    await shows(page, ".figures", String(count).slice(0, 1));
    await page.evaluate(noteStuck);
    await page.waitForTimeout(LOOK_MS);
    console.log(`services, ${LOOK_MS / 1_000} s: ${await page.evaluate(stuck)}`);
    const pages = [["services", "/"], ["service", `/service/${named(0)}`], ["graph", "/graph"], ["traces", "/traces"], ["try", `/try/${named(0)}`], ["registry", "/registry"]];
    for (const [name, address] of pages) {
      await page.evaluate((hash) => {
        location.hash = hash;
      }, address);
      await page.waitForTimeout(2_500);
      console.log(`${name}: ${await page.evaluate(stuck)}`);
      for (const width of [380, 1_600]) {
        await page.setViewportSize({ width, height: 900 });
        await page.waitForTimeout(300);
        await page.screenshot({ path: join(FOLDER, `crowd-${name}-${width}.png`) });
      }
    }
    console.log(wrong.length ? wrong : `look at ${FOLDER}/crowd-*.png`);
  });
}

await script(async (given = "1000") => {
  const count = Number(given);
  const around = await mkdtemp(join(tmpdir(), "picolet-crowd-"));
  await mkdir(FOLDER, { recursive: true });
  let host;
  let isOver = false;
  try {
    await fill(join(around, "services"), count);
    const started = await start(join(around, "services"));
    host = started.host;
    const calls = keepBusy(started.services, count, () => isOver);
    await look(started.admin, count);
    isOver = true;
    await calls;
  } finally {
    host?.removeAllListeners("exit");
    host?.kill();
    await rm(around, { recursive: true, force: true });
  }
});
