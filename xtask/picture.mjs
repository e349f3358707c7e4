// The dashboard as it looks with some traffic: picture.mjs SERVICES ADMIN LIGHT DARK

import { strict as assert } from "node:assert";
import { browse, script, until } from "../tests/browser/kit.mjs";

const SIZE = { width: 1280, height: 760 };
// So long that figures over time have something to show.
const TRAFFIC_MS = 45_000;

const json = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

// What is asked, and how often beside the others. A few of them fail, as some always do.
const REQUESTS = [
  [8, "/api/add/40/2"],
  [5, "/api/add", json({ a: 21, b: 21 })],
  [6, "/greeter-api/say/hello?name=John"],
  [4, "/session/hello/John"],
  [3, "/conversion/convert/usd/eur?amount=100"],
  [2, "/stocks/ACME/average/7"],
  [2, "/counter/home", { method: "POST", body: "John" }],
  [1, "/directory"],
  [1, "/api/add/x/1"],
];

/// Asks until it is told to stop, in waves.
async function makeTraffic(services, traffic) {
  const lots = REQUESTS.flatMap(([weight, ...request]) => Array(weight).fill(request));
  for (let count = 0; !traffic.isOver; count += 1) {
    const [path, options] = lots[(count * 7) % lots.length];
    const response = await fetch(services + path, options);
    await response.arrayBuffer();
    const wave = 1 + Math.sin(Date.now() / 6_000);
    await new Promise((go) => setTimeout(go, 5 + 20 * wave));
  }
}

/// One picture of the dashboard, once it shows what is asked.
async function take(browser, admin, colorScheme, path) {
  const context = await browser.newContext({ colorScheme, viewport: SIZE, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(admin);
  const shows = async (text) => (await page.textContent("body")).includes(text);
  await until("the dashboard to show its services", () => shows("calc"));
  return async () => {
    await page.screenshot({ path });
    await context.close();
  };
}

await script((services, admin, light, dark) => browse(async (browser) => {
  assert.ok(dark, "usage: picture.mjs SERVICES ADMIN LIGHT DARK");
  const traffic = { isOver: false };
  const running = [1, 2, 3].map(() => makeTraffic(services, traffic));
  // The pages are open meanwhile, since they gather what they show over time.
  const pictures = [
    await take(browser, admin, "light", light),
    await take(browser, admin, "dark", dark),
  ];
  await new Promise((go) => setTimeout(go, TRAFFIC_MS));
  for (const picture of pictures) {
    await picture();
  }
  traffic.isOver = true;
  await Promise.all(running);
}));
