// The dashboard in a browser: dashboard.mjs ADMIN SERVICES FOLDER
//
// The test changes the host when it is asked to: `drop` puts a service into the
// folder, `swap` another revision of calc, `restart` ends the host and starts
// it again at the same addresses.

import { strict as assert } from "node:assert";
import { join } from "node:path";
import { checkNothingSerious, checkNoOverflow, strangers } from "./inspect.mjs";
import { browse, open, say, script, shows, told, until } from "./kit.mjs";

const LOOKS = [[380, "light"], [1_600, "light"], [1_600, "dark"]];
const CHAIN = ["misbehaves", "conversion", "arbitration"];

async function asked(line) {
  say(line);
  await told(`${line} done`);
}

async function go(page, address) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, address);
  await page.waitForSelector("main h1");
}

async function checkOverview(page) {
  await shows(page, "#link-text", "live");
  await shows(page, "main", "misbehaves");
  await shows(page, "#refused ~ div", "broken.wasm");
  await shows(page, "#refused ~ div", "file is not WebAssembly");
  await asked("drop");
  await shows(page, "main tbody", "go.micro.srv.greeter");
  await page.fill("input[type=search]", "greeter");
  await until("the others to be gone", async () => !(await page.textContent("main tbody")).includes("misbehaves"));
  await page.fill("input[type=search]", "");
  await shows(page, "main tbody", "misbehaves");
}

/// Makes calls that go through three services.
async function call(services) {
  for (let turn = 0; turn < 5; turn += 1) {
    const answer = await fetch(`${services}/misbehaves/call/conversion/rates`);
    assert.equal(answer.status, 200);
  }
}

async function checkGraph(page) {
  await go(page, "/graph");
  for (const [from, to] of [["outside", "misbehaves"], ["misbehaves", "conversion"], ["conversion", "arbitration"]]) {
    const row = page.locator("main tbody tr", { hasText: from }).filter({ hasText: to });
    await row.first().waitFor();
  }
  await page.waitForSelector(".graph .node");
  const { width, height } = page.viewportSize();
  for (const other of [380, width]) {
    const before = await page.locator(".graph rect").first().getAttribute("width");
    await page.setViewportSize({ width: other, height });
    const isDrawnAnew = (before) => document.querySelector(".graph rect").getAttribute("width") !== before;
    await page.waitForFunction(isDrawnAnew, before);
    await checkLines(page);
  }
}

/// Every line begins and ends at the side of a node, wherever nodes have moved to.
async function checkLines(page) {
  const loose = await page.evaluate(() => {
    const numbers = (text) => text.match(/-?[\d.]+/g).map(Number);
    const sides = [...document.querySelectorAll(".graph .node")].flatMap((node) => {
      const [x, y] = numbers(node.getAttribute("transform"));
      const [width, height] = ["width", "height"].map((name) => Number(node.querySelector("rect").getAttribute(name)));
      return [`${x},${y + height / 2}`, `${x + width},${y + height / 2}`];
    });
    const lines = [...document.querySelectorAll(".graph .edge")].map((line) => numbers(line.getAttribute("d")));
    const isLoose = (line) => [line.slice(0, 2), line.slice(-2)].some((end) => !sides.includes(end.join(",")));
    return lines.filter(isLoose);
  });
  assert.deepEqual(loose, []);
}

/// Gives the address of the trace that went through all three.
async function checkTrace(page) {
  await go(page, "/traces");
  let row = page.locator("main tbody tr");
  for (const service of CHAIN) {
    row = row.filter({ hasText: service });
  }
  await row.first().waitFor();
  await row.first().locator("a").click();
  for (const service of CHAIN) {
    await shows(page, ".waterfall", service);
  }
  assert.ok(3 <= (await page.locator(".waterfall .track").count()));
  return new URL(page.url()).hash.slice(1);
}

async function checkTryIt(page) {
  await go(page, "/try/calc/add1");
  await page.fill("input[name=a]", "40");
  await page.fill("input[name=b]", "2");
  await page.click("button[type=submit]");
  await shows(page, ".answer", "42");
  const link = await page.getAttribute("section a[href^='#/trace/']", "href");
  assert.match(link, /^#\/trace\/[0-9a-f]{32}$/);
}

async function checkRollback(page) {
  await go(page, "/service/calc");
  await shows(page, "main", "1.0.0");
  await asked("swap");
  await shows(page, "main", "2.0.0 at /api");
  await page.click("button:text('Roll back')");
  await shows(page, "dialog", "Version 2.0.0");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.click("button:text('Roll back')");
  await page.click("dialog button[type=submit]");
  await shows(page, "#notes", "Rolled back calc from 2.0.0 to 1.0.0.");
  await shows(page, "main", "1.0.0 at /api");
}

/// Every page at both widths and in both themes, once what it shows is there.
async function checkLook(page, pages, folder) {
  for (const [name, address, shown] of pages) {
    await go(page, address);
    await page.waitForSelector(`main ${shown}`, { state: "attached" });
    for (const [width, theme] of LOOKS) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      // Long tables are drawn in the frame after the one that has the new width.
      await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
      await checkNoOverflow(page, `${name} at ${width}`);
      await checkNothingSerious(page, `${name} at ${width}, ${theme}`);
      await page.screenshot({ path: join(folder, `dashboard-${name}-${width}-${theme}.png`), fullPage: true });
    }
  }
}

async function checkComesBack(page) {
  await go(page, "/");
  await shows(page, "main tbody", "misbehaves");
  say("restart");
  await page.waitForSelector("#banner:not([hidden])");
  await shows(page, "#banner", "does not answer");
  await told("restart done");
  await page.waitForSelector("#banner", { state: "hidden" });
  await shows(page, "#notes", "The host was restarted.");
  await shows(page, "main tbody", "misbehaves");
}

await script((admin, services, folder) => browse(async (browser) => {
  const { page, wrong, asked: urls } = await open(browser, admin);
  await checkOverview(page);
  await call(services);
  await checkGraph(page);
  const trace = await checkTrace(page);
  await checkTryIt(page);
  await checkRollback(page);
  await checkLook(page, [
    ["services", "/", "tbody a"],
    ["service", "/service/calc", ".facts dd"],
    ["graph", "/graph", ".node"],
    ["traces", "/traces", "tbody a"],
    ["trace", trace, ".track"],
    ["try", "/try/calc/add1", "option"],
    ["registry", "/registry", ".figures dd"],
  ], folder);
  assert.deepEqual(wrong, []);
  await checkComesBack(page);
  // While the host is away, the browser says that it does not answer.
  assert.deepEqual(wrong.filter((line) => !line.includes("net::ERR_")), []);
  assert.deepEqual(strangers(urls, admin), []);
}));
