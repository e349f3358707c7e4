// The page of the example `conversion` in a browser: conversion.mjs URL FOLDER

import { strict as assert } from "node:assert";
import { join } from "node:path";
import { browse, changeRate, open, script, shows } from "./kit.mjs";

async function checkSeesRatesLive(browser, url, folder) {
  const pages = [await open(browser, `${url}/conversion`), await open(browser, `${url}/conversion`)];
  for (const { page } of pages) {
    await shows(page, "#state", "connected");
    await shows(page, "tr[data-pair='usd.eur']", "0.91");
    await page.click("button");
    await shows(page, "#result", "100 usd is 91.00 eur");
  }
  await changeRate(url, "usd/eur", 0.95);
  for (const { page } of pages) {
    await shows(page, "#result", "100 usd is 95.00 eur");
    await shows(page, "tr[data-pair='usd.eur']", "0.95");
  }
  const [{ page }] = pages;
  await page.fill("#to", "xxx");
  await page.click("button");
  await shows(page, "#result", "there is no rate of usd to xxx");
  await page.screenshot({ path: join(folder, "conversion.png") });
  for (const { wrong } of pages) {
    assert.deepEqual(wrong, []);
  }
}

async function checkSaysWhatIsMissing(browser, url) {
  const page = await browser.newPage();
  await page.route("**/socket.io.min.js", (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto(`${url}/conversion`);
  await shows(page, "#state", "socket.io.min.js is missing");
}

await script((url, folder) => browse(async (browser) => {
  await checkSeesRatesLive(browser, url, folder);
  await checkSaysWhatIsMissing(browser, url);
}));
