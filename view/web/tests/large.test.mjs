// 100,000 spans and 200 MB; and a single file of over 50 MB.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { launch, openPage } from "./browser.mjs";
import { firstPaint, measure } from "./measure.mjs";
import { at, Store } from "./store.mjs";

const START = Date.UTC(2026, 2, 15, 10, 0, 0);

/** Turns of a model call and nine tools, with as much output in each. */
export function* turns(spans, outputBytes) {
  const output = "0123456789abcde\n".repeat(outputBytes / 16);
  yield { type: "session-started", time: START, metadata: { title: `${spans} spans`, prompt: "Do very much" } };
  let time = START;
  for (let span = 1; span < spans; span += 1) {
    if (span % 10 === 1) {
      yield {
        type: "span",
        time,
        spanId: `s${span}`,
        kind: "generation",
        name: "chat",
        model: { modelId: "m" },
        startTime: time,
        endTime: time + 50,
        output: `Turn ${span}\n${output}`,
        cost: 0.001,
        tokens: { input: 100, output: 10, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
      };
    } else {
      yield {
        type: "span",
        time,
        spanId: `s${span}`,
        parentSpanId: `s${span - ((span - 1) % 10)}`,
        kind: "tool",
        name: `tool ${span % 7}`,
        startTime: time,
        endTime: time + 9,
        ...(span % 97 === 0 ? { status: "error", statusMessage: "no" } : {}),
        input: { command: `run ${span}` },
        output,
      };
    }
    time += 10;
  }
}

describe("large sessions", () => {
  let browser;
  let store;
  before(async () => {
    store = new Store();
    await store.record("large", turns(100_000, 2000), "--end", "completed");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    store?.remove();
  });

  it("shows 100,000 spans and 200 MB at once, and scrolls through them", async () => {
    const { url, pid } = await store.view();
    const figures = await measure(browser, url, "large", pid);
    console.table(figures);
    for (const [tab, { firstPaintMs, medianMs, blank }] of Object.entries(figures)) {
      assert.ok(firstPaintMs < 2000, `${tab} is painted after ${firstPaintMs} ms`);
      if (tab !== "summary") {
        // The frame in the middle, as others may use the machine too; all of them are in the table.
        assert.ok(medianMs < 20, `${tab} draws a frame in ${medianMs} ms`);
        assert.equal(blank, 0, `${tab} is blank while scrolling`);
      }
    }
  });

  it("filters their log, also for what stands behind everything else", async () => {
    const { url } = await store.view();
    const page = await openPage(browser, at(url, "large", "log"));
    await page.waitForSelector(".log-row .type");
    const before = performance.now();
    await page.$eval("input[aria-label='Filter events by text']", (input) => {
      input.value = '"command":"run 99999"';
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await page.waitForFunction(() => /^1 of 100,0\d\d$/.test(document.querySelector(".log .toolbar [role=status]").textContent), {
      timeout: 30_000,
    });
    const ms = Math.round(performance.now() - before);
    const requests = page.requested.filter((address) => address.includes("/find?")).length;
    console.log(`# the log of 100,000 spans and 200 MB is filtered in ${ms} ms, by ${requests} requests`);
    assert.ok(ms < 10_000, `${ms} ms`);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it("opens a file of over 50 MB in three seconds", async () => {
    await store.record("file", turns(10_000, 2000), "--end", "completed");
    const file = store.exportHtml("file");
    const size = statSync(file).size / 1e6;
    const { page, ms } = await firstPaint(browser, pathToFileURL(file).href, ".tile-value");
    console.log(`# a file of ${size.toFixed(1)} MB is painted after ${Math.round(ms)} ms`);
    assert.ok(size > 50 && size < 70, `${size} MB`);
    assert.ok(ms < 3000, `${ms} ms`);
    await page.close();
  });
});
