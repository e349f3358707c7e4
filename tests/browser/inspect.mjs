// What every page is held to: it fits, anyone can use it, and it asks nobody
// but its own host.

import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.PICOLET_TEST_NODE, "package.json"));

/// Nothing is wider than the window.
export async function checkNoOverflow(page, what) {
  const found = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const isInBox = (element) => element.closest(".graph, .table-box, .answer, .logs, svg") !== null;
    const wide = [...document.body.querySelectorAll("*")].filter((element) => !isInBox(element) && width + 0.5 < element.getBoundingClientRect().right);
    const name = (element) => `${element.tagName.toLowerCase()}.${element.className}`;
    return { scrolls: width < document.documentElement.scrollWidth, wide: wide.slice(0, 5).map(name) };
  });
  assert.deepEqual(found, { scrolls: false, wide: [] }, what);
}

/// What axe finds that is serious or worse.
export async function checkNothingSerious(page, what) {
  // By the protocol of the browser: the page itself may load no other script.
  await page.evaluate(await readFile(require.resolve("axe-core/axe.min.js"), "utf8"));
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    return grave.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
  });
  assert.deepEqual(found, [], what);
}

/// Of all that a page asked for, what was asked of others.
export function strangers(asked, host) {
  return asked.filter((url) => !url.startsWith("data:") && new URL(url).origin !== host);
}
