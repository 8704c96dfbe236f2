// Pictures of every tab: `node tests/shots.mjs URL SESSION FOLDER [dark]`.
import { mkdirSync } from "node:fs";
import { launch, openPage } from "./browser.mjs";

const [url, session, folder, theme] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const [width, height] of [
  [1280, 800],
  [390, 844],
]) {
  const page = await openPage(browser, url, { width, height, dark: theme === "dark" });
  await page.waitForSelector(".totals");
  await settle(page);
  await page.screenshot({ path: `${folder}/list-${width}.png` });
  for (const tab of ["summary", "waterfall", "tree", "chat", "log"]) {
    await page.goto(`${url}#/s/${encodeURIComponent(session)}/${tab}`);
    await settle(page);
    await page.screenshot({ path: `${folder}/${tab}-${width}.png` });
  }
  await page.goto(`${url}#/s/${encodeURIComponent(session)}/waterfall?span=5`);
  await settle(page);
  await page.screenshot({ path: `${folder}/detail-${width}.png` });
  console.log(width, page.problems);
  await page.close();
}
await browser.close();

/** Nothing on its way, and two frames drawn. */
async function settle(page) {
  await page.waitForFunction(() => document.querySelector("#app > .page") !== null);
  await page.evaluate(
    () =>
      new Promise((done) => {
        let quiet = 0;
        let before = performance.getEntriesByType("resource").length;
        const look = () => {
          const now = performance.getEntriesByType("resource").length;
          quiet = now === before ? quiet + 1 : 0;
          before = now;
          quiet > 20 ? done() : requestAnimationFrame(look);
        };
        look();
      }),
  );
}
