// Chromium, for the tests.
import { existsSync } from "node:fs";
import puppeteer from "puppeteer-core";

export const CHROMIUM =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

export async function launch() {
  if (CHROMIUM === undefined) {
    throw new Error("Chromium is not here: apt-get install chromium, or name it in CHROMIUM");
  }
  return puppeteer.launch({
    executablePath: CHROMIUM,
    headless: true,
    // Tests run as root in containers, where Chromium's sandbox cannot be set up.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--disable-gpu", "--enable-precise-memory-info"],
  });
}

/** A page that notes whatever goes wrong in it, and every address it asks for. */
export async function openPage(browser, url, { width = 1280, height = 800, dark = false } = {}) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  page.setDefaultTimeout(8000);
  page.problems = [];
  page.requested = [];
  page.on("pageerror", (error) => page.problems.push(`error: ${error.message ?? error}`));
  page.on("console", (message) => message.type() === "error" && page.problems.push(`console: ${message.text()}`));
  page.on("request", (request) => page.requested.push(request.url()));
  page.on("dialog", (dialog) => {
    page.problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url, { waitUntil: "domcontentloaded" });
  return page;
}

export async function textOf(page, selector) {
  await page.waitForSelector(selector);
  return page.$eval(selector, (element) => element.textContent);
}
