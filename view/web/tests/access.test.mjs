// For everybody: axe-core finds nothing in either theme, and all of it is reached by keyboard.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { launch, openPage } from "./browser.mjs";
import { madeUp, serve } from "./fixture.mjs";
import { at } from "./store.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CRASHED = "fix/the build";

describe("for everybody", () => {
  let browser;
  let server;
  before(async () => {
    server = await serve([
      madeUp(),
      madeUp({ id: "done", turns: 12, status: "completed" }),
      madeUp({ id: "runs", turns: 6, status: "running" }),
    ]);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  const places = [
    ["the list", () => server.url, ".sessions .item"],
    ...["summary", "waterfall", "tree", "chat", "log"].map((tab) => [
      tab,
      () => at(server.url, CRASHED, tab),
      { summary: ".tile-value", chat: ".message-box:not(.waiting)", log: ".log-row .type" }[tab] ?? ".item .row-name",
    ]),
    ["a span", () => at(server.url, CRASHED, "waterfall", "?span=5"), ".detail-section"],
    ["an interrupted span", () => at(server.url, CRASHED, "tree", "?span=124"), ".detail-section"],
    ["a completed session", () => at(server.url, "done", "summary"), ".tile-value"],
    ["a running one", () => at(server.url, "runs", "waterfall"), ".item .row-name"],
  ];

  for (const dark of [false, true]) {
    it(`has nothing for axe to find in ${dark ? "dark" : "light"}, at 1280 and at 360 pixels`, async () => {
      let checked = 0;
      for (const width of [1280, 360]) {
        const page = await openPage(browser, server.url, { width, dark });
        for (const [name, address, wanted] of places) {
          await page.goto(address());
          await page.waitForSelector(wanted);
          await axe(page, `${name}, ${width} px`);
          checked += 1;
        }
        await page.keyboard.press("?");
        await page.waitForSelector("dialog.help[open]");
        await axe(page, `the keys, ${width} px`);
        await page.keyboard.press("Escape");
        await page.keyboard.press("/");
        await page.waitForSelector(".search input");
        await page.type(".search input", "file");
        await page.waitForSelector("#hits li");
        await axe(page, `search, ${width} px`);
        checked += 2;
        await page.close();
      }
      console.log(`# ${checked} views checked`);
    });
  }

  it("finds what is wrong, when something is", async () => {
    const page = await openPage(browser, server.url);
    await page.waitForSelector(".sessions .item");
    await page.evaluate(() => {
      const bad = document.createElement("button");
      bad.style.color = "#777";
      bad.style.background = "#888";
      document.querySelector("main").append(bad, "x");
      bad.textContent = "grey on grey";
    });
    await assert.rejects(axe(page, "grey on grey"), /color-contrast/);
    await page.close();
  });

  it("is wide enough at 360 pixels: nothing but rows and code scrolls sideways", async () => {
    const page = await openPage(browser, server.url, { width: 360, height: 740 });
    for (const [name, address, wanted] of places) {
      await page.goto(address());
      await page.waitForSelector(wanted);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, name);
      assert.ok(await page.$eval(".page", (each) => each.scrollWidth <= 361), name);
    }
    await page.close();
  });

  it("is walked by keyboard alone, from the list to a span and back", async () => {
    const page = await openPage(browser, server.url);
    await page.waitForSelector(".sessions .item");
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const hash = () => page.evaluate(() => location.hash);
    const until = (expected) => page.waitForFunction((wanted) => location.hash === wanted, { timeout: 3000 }, expected);
    await press("/");
    await page.keyboard.type("fix/the");
    await page.waitForFunction(() => document.querySelectorAll(".sessions .item").length === 1);
    await press("Escape", "j", "Enter");
    await until("#/s/fix%2Fthe%20build/summary");
    await page.waitForSelector(".tile-value");
    await press("2");
    await until("#/s/fix%2Fthe%20build/waterfall");
    await page.waitForFunction(() => document.querySelectorAll(".item").length > 10);
    await press("j", "j", "j");
    await until("#/s/fix%2Fthe%20build/waterfall?span=2");
    await press("k", "ArrowLeft");
    await page.waitForSelector("#row-1[aria-expanded=false]");
    await press("ArrowDown");
    await until("#/s/fix%2Fthe%20build/waterfall?span=3");
    await press("ArrowUp", "ArrowRight");
    await page.waitForSelector("#row-1[aria-expanded=true]");
    await press("End");
    await until("#/s/fix%2Fthe%20build/waterfall?span=124");
    await page.waitForSelector("#row-124.selected");
    assert.equal(await page.$eval("[role=treegrid]", (grid) => grid.getAttribute("aria-activedescendant")), "row-124");
    await press("Home", "e");
    const error = await page.waitForFunction(
      () => document.querySelector(".item.selected")?.className.match(/is-(error|interrupted)/)?.[0],
    );
    assert.equal(await error.jsonValue(), "is-error");
    const wide = await page.$eval(".item.selected .bar", (bar) => bar.getBoundingClientRect().width);
    await press("f");
    await page.waitForFunction(
      (before) => (document.querySelector(".item.selected .bar")?.getBoundingClientRect().width ?? 0) > before * 5,
      {},
      wide,
    );
    await press("0", "4");
    await page.waitForSelector(".message-box:not(.waiting)");
    await press("5");
    await page.waitForSelector(".log-row .type");
    await press("j", "j", "Enter");
    await page.waitForFunction(() => document.querySelector(".raw pre")?.textContent.includes('"raw": true'));
    await press("Escape");
    await page.waitForFunction(() => document.querySelector(".raw") === null);
    await press("/");
    await page.waitForSelector(".search input:focus");
    await page.keyboard.type("file_7.rs");
    await page.waitForSelector("#hits li");
    await press("Enter");
    await page.waitForFunction(() => /span=\d+/.test(location.hash));
    await press("Escape", "Escape");
    await page.waitForFunction(() => !location.hash.includes("span="));
    await press("T");
    await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
    await press("?");
    await page.waitForSelector("dialog.help[open]");
    assert.match(await page.$eval("dialog.help", (help) => help.textContent), /next error or interrupted span|search the whole trace/);
    await press("Escape");
    await page.waitForFunction(() => document.querySelector("dialog.help") === null);
    await press("u");
    await until("#/");
    await page.waitForSelector(".sessions .item");
    assert.equal(await hash(), "#/");
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it("keeps what was chosen in the list while a session is looked at", async () => {
    const page = await openPage(browser, server.url);
    await page.waitForSelector(".sessions .item");
    await page.select("select[aria-label='Status']", "completed");
    await page.click(".c-tokens button");
    await page.waitForFunction(() => document.querySelectorAll(".sessions .item").length === 1);
    await page.click(".sessions .item .c-model");
    await page.waitForSelector(".tile-value");
    await page.keyboard.press("u");
    await page.waitForSelector(".sessions .item.cursor");
    assert.equal(await page.$eval("select[aria-label='Status']", (each) => each.value), "completed");
    assert.equal(await page.$eval("[role=columnheader].c-tokens", (each) => each.getAttribute("aria-sort")), "descending");
    assert.equal((await page.$$(".sessions .item")).length, 1);
    await page.close();
  });

  it("is sorted at 390 pixels too, where there are no columns", async () => {
    const page = await openPage(browser, server.url, { width: 390, height: 780 });
    await page.waitForSelector(".sessions .item");
    const order = () =>
      page.$$eval(".sessions .item", (items) =>
        items
          .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
          .map((item) => item.querySelector(".c-cost").textContent.replace(/[^0-9.]/g, ""))
          .map(Number),
      );
    await page.select("select[aria-label='Sort by']", "cost");
    const most = await order();
    assert.deepEqual(
      most,
      [...most].sort((a, b) => b - a),
    );
    assert.notEqual(most[0], most.at(-1));
    await page.click(".sort-by button");
    assert.deepEqual(await order(), most.reverse());
    await page.close();
  });

  it("steps over what is lost, which is no span", async () => {
    const page = await openPage(browser, at(server.url, CRASHED, "tree", "?span=19"));
    await page.waitForSelector("#loss-0");
    assert.match(await page.$eval("#loss-0", (row) => row.textContent), /Lost: events #41 to #46/);
    await page.keyboard.press("j");
    await page.waitForFunction(() => location.hash.endsWith("?span=20"));
    await page.keyboard.press("k");
    await page.waitForFunction(() => location.hash.endsWith("?span=19"));
    await page.close();
  });

  it("moves between tabs with the arrow keys, and each control is reached by Tab", async () => {
    const page = await openPage(browser, at(server.url, CRASHED, "summary"));
    await page.waitForSelector(".tile-value");
    await page.focus("#tab-summary");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => document.activeElement?.id === "tab-waterfall" && location.hash.endsWith("/waterfall"));
    const reached = new Set();
    for (let step = 0; step < 30; step += 1) {
      await page.keyboard.press("Tab");
      reached.add(
        await page.evaluate(() => document.activeElement?.getAttribute("role") ?? document.activeElement?.textContent?.trim().slice(0, 20)),
      );
    }
    assert.ok(reached.has("treegrid"), [...reached].join(" | "));
    await page.close();
  });

  it("is told of the crash, and of changes, by live regions", async () => {
    const page = await openPage(browser, at(server.url, "runs", "summary"));
    await page.waitForSelector(".live.on");
    server.change({ ...madeUp({ id: "runs", turns: 7, status: "crashed" }) }, [1], "dead");
    await page.waitForSelector(".banner.crash[role=alert]");
    await page.waitForFunction(() => document.querySelector(".toast[aria-live=polite]")?.textContent.includes("crashed"));
    await page.close();
  });

  async function axe(page, name) {
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations } = await window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      });
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .slice(0, 3)
            .map(({ target, any, all }) => `${target.join(" ")} (${[...any, ...all].map(({ message }) => message).join("; ")})`)
            .join(" | ")}`,
      );
    });
    assert.deepEqual(found, [], name);
  }
});
