// The dashboard of a host that asks for a token: dashboard_token.mjs ADMIN TOKEN

import { browse, open, script, shows } from "./kit.mjs";

async function signIn(page, token) {
  await page.fill("dialog input", token);
  await page.click("dialog button:has-text('Sign in')");
}

await script((admin, token) => browse(async (browser) => {
  const { page } = await open(browser, admin);
  await shows(page, "dialog", "asks for its token");
  await signIn(page, "another-token-of-some-length");
  await shows(page, "dialog", "does not take this token");
  await signIn(page, token);
  await page.waitForSelector("dialog", { state: "detached" });
  await shows(page, "main tbody", "calc");

  // The browser shows it by itself from now on.
  await page.reload();
  await shows(page, "main tbody", "calc");
  await page.waitForSelector("dialog", { state: "detached" });
}));
