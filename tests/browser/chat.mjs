// The page of the example `chat` in a browser: chat.mjs URL FOLDER

import { strict as assert } from "node:assert";
import { join } from "node:path";
import { browse, open, script, shows } from "./kit.mjs";

async function enter({ page }, who, where) {
  await page.fill("[name=who]", who);
  await page.fill("[name=where]", where);
  await page.click("#enter button");
  await shows(page, "#lines", `${who} came`);
}

async function say({ page }, text) {
  await page.fill("[name=text]", text);
  await page.click("#say button");
}

await script((url, folder) => browse(async (browser) => {
  const names = ["Ann", "Ben", "Cy"];
  const [ann, ben, cy] = await Promise.all(names.map(() => open(browser, `${url}/chat`)));
  await enter(ann, "Ann", "den");
  await enter(cy, "Cy", "attic");
  await enter(ben, "Ben", "den");
  await shows(ann.page, "#lines", "Ben came, 2 here");
  await say(ann, "hello <b>you</b>");
  for (const { page } of [ann, ben]) {
    await shows(page, "#lines", "Ann: hello <b>you</b>");
  }
  await say(ben, "hello yourself");
  await shows(ann.page, "#lines", "Ben: hello yourself");
  // Who is in another room has heard nothing of it.
  await say(cy, "anybody?");
  await shows(cy.page, "#lines", "Cy: anybody?");
  assert(!(await cy.page.textContent("#lines")).includes("Ann"));
  await ann.page.screenshot({ path: join(folder, "chat.png") });
  await ben.page.close();
  await shows(ann.page, "#lines", "Ben left, 1 here");
  for (const { wrong } of [ann, ben, cy]) {
    assert.deepEqual(wrong, []);
  }
}));
