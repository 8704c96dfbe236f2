// A session that is watched while it is written, and one whose process is killed meanwhile.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launch, openPage } from "./browser.mjs";
import { at, Store } from "./store.mjs";

describe("a live session", () => {
  let browser;
  let store;
  let url;
  before(async () => {
    store = new Store();
    // A store is there once something has been recorded.
    await store.record("first", [{ type: "note", name: "hello" }], "--end", "completed");
    ({ url } = await store.view());
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    store?.remove();
  });

  async function began(id, tools) {
    const recorder = store.recorder(id);
    await recorder.write({ type: "session-started", metadata: { title: `Live ${id}`, prompt: "Do it" } });
    await recorder.write({ type: "span-started", spanId: "g", kind: "generation", name: "chat", model: { modelId: "m" } });
    for (let tool = 0; tool < tools; tool += 1) {
      await recorder.write({
        type: "span-started",
        spanId: `t${tool}`,
        parentSpanId: "g",
        kind: "tool",
        name: `tool ${tool}`,
        input: { command: `run ${tool}` },
      });
      await recorder.write({ type: "span-ended", spanId: `t${tool}`, output: `done ${tool}` });
    }
    return recorder;
  }

  it("appears in the list as it begins", async () => {
    const page = await openPage(browser, url);
    await page.waitForSelector(".totals");
    await page.evaluate(() => {
      window.marker = 1;
    });
    const recorder = await began("listed", 1);
    await page.waitForFunction(() => [...document.querySelectorAll(".item .title")].some((title) => title.textContent === "Live listed"), {
      timeout: 5000,
    });
    assert.equal(await page.evaluate(() => window.marker), 1);
    await recorder.end();
    await page.close();
  });

  it("grows without losing place, selection or what is typed", async () => {
    const recorder = await began("growing", 200);
    const page = await openPage(browser, at(url, "growing", "waterfall", "?span=100"));
    await page.waitForSelector("#row-100.selected");
    await page.waitForSelector(".detail-section");
    await page.evaluate(() => {
      window.marker = 1;
    });
    const before = await page.evaluate(() => ({
      top: document.querySelector(".view .scroll").scrollTop,
      y: document.querySelector("#row-100").getBoundingClientRect().top,
    }));
    assert.ok(before.top > 0);
    for (let tool = 200; tool < 260; tool += 1) {
      await recorder.write({ type: "span-started", spanId: `t${tool}`, parentSpanId: "g", kind: "tool", name: `tool ${tool}` });
      await recorder.write({ type: "span-ended", spanId: `t${tool}` });
    }
    await page.waitForFunction(() => document.querySelector(".grid-row.head .name-cell").textContent === "262 spans", { timeout: 5000 });
    const now = await page.evaluate(() => ({
      top: document.querySelector(".view .scroll").scrollTop,
      y: document.querySelector("#row-100").getBoundingClientRect().top,
      selected: document.querySelector(".item.selected")?.id,
    }));
    assert.equal(now.top, before.top);
    assert.equal(now.y, before.y);
    assert.equal(now.selected, "row-100");
    assert.equal(await page.evaluate(() => window.marker), 1, "the page was not loaded again");
    assert.deepEqual(page.problems, []);
    await recorder.end();
    await page.close();
  });

  it("keeps its place when rows come in above what is looked at", async () => {
    const recorder = store.recorder("above");
    await recorder.write({ type: "session-started" });
    for (const parent of ["a", "b"]) {
      await recorder.write({ type: "span-started", spanId: parent, kind: "span", name: parent });
      for (let each = 0; each < 100; each += 1)
        await recorder.write({
          type: "span-started",
          spanId: `${parent}${each}`,
          parentSpanId: parent,
          kind: "tool",
          name: `${parent}${each}`,
        });
    }
    const page = await openPage(browser, at(url, "above", "tree", "?span=152"));
    await page.waitForSelector("#row-152.selected");
    const before = await page.$eval("#row-152", (row) => row.getBoundingClientRect().top);
    for (let each = 100; each < 150; each += 1)
      await recorder.write({ type: "span-started", spanId: `a${each}`, parentSpanId: "a", kind: "tool", name: `a${each}` });
    await page.waitForFunction(() => document.querySelector(".grid-row.head .name-cell").textContent === "253 spans", { timeout: 5000 });
    assert.ok(Math.abs((await page.$eval("#row-152", (row) => row.getBoundingClientRect().top)) - before) < 1);
    await recorder.end();
    await page.close();
  });

  it("stays at the end of the log when that is looked at, and nowhere else", async () => {
    const recorder = await began("log", 100);
    const page = await openPage(browser, at(url, "log", "log"));
    await page.waitForSelector(".log-row .type");
    await page.evaluate(() => document.querySelector(".log-rows").scrollTo(0, 100));
    for (let each = 0; each < 20; each += 1) await recorder.write({ type: "note", name: `n${each}` });
    await page.waitForFunction(
      (total) => document.querySelector(".log-rows").getAttribute("aria-rowcount") === String(total),
      { timeout: 5000 },
      recorder.acknowledged(),
    );
    assert.equal(await page.$eval(".log-rows", (rows) => rows.scrollTop), 100);
    await page.evaluate(() => document.querySelector(".log-rows").scrollTo(0, 1e9));
    await frame(page);
    for (let each = 0; each < 20; each += 1) await recorder.write({ type: "note", name: `m${each}` });
    await page.waitForFunction(() => [...document.querySelectorAll(".log-row")].some((row) => row.textContent.includes("m19")), {
      timeout: 5000,
    });
    await recorder.end();
    await page.close();
  });

  it("says crashed within a second of the death of its process, with the right last event", async () => {
    const figures = [];
    for (const tab of ["summary", "waterfall", "chat", "log"]) {
      const id = `killed on ${tab}`;
      const recorder = await began(id, 30);
      const page = await openPage(browser, at(url, id, tab));
      await page.waitForSelector(".live.on");
      await page.evaluate(() => {
        window.marker = 1;
        const look = () =>
          document.querySelector(".banner.crash") === null ? requestAnimationFrame(look) : (window.crashSeenAt = Date.now());
        look();
      });
      await recorder.write({
        type: "span-started",
        spanId: "last",
        parentSpanId: "g",
        kind: "tool",
        name: "the last tool",
        input: { command: "sleep 100" },
      });
      const last = recorder.acknowledged();
      const killed = Date.now();
      recorder.child.kill("SIGKILL");
      await page.waitForFunction(() => window.crashSeenAt !== undefined, { timeout: 10_000 });
      const took = (await page.evaluate(() => window.crashSeenAt)) - killed;
      figures.push({ tab, took });
      await page.waitForSelector("[data-figure=last-event]", { timeout: 5000 });
      assert.match(await page.$eval("[data-figure=last-event]", (event) => event.textContent), new RegExp(`^#${last} span-started$`));
      assert.match(await page.$eval(".banner.crash", (banner) => banner.textContent), /the last tool/);
      await page.waitForFunction(() => document.querySelector(".top .badge").textContent.includes("crashed"));
      assert.equal(await page.evaluate(() => window.marker), 1, "the page was not loaded again");
      assert.deepEqual(page.problems, []);
      await page.close();
    }
    console.log(`# crashed is shown after the kill: ${figures.map(({ tab, took }) => `${tab} ${took} ms`).join(", ")}`);
    for (const { tab, took } of figures) assert.ok(took < 1000, `${tab}: ${took} ms`);
  });
});

function frame(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
