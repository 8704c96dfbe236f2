// What is told of sessions that did not end well: what is lost, in its place; what closed them, and as a part of what.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launch, openPage } from "./browser.mjs";
import { at, Store } from "./store.mjs";

const PARENT = "lifecycle:instance-dispose-all:mf3k9x2a:1";
const ACTION = "lifecycle:instance-dispose:mf3k9x2b:2";
const START = Date.UTC(2026, 2, 15, 10);

function* damaged() {
  yield { type: "session-started", time: START };
  for (let n = 0; n < 40; n += 1) {
    const begins = START + n * 1000;
    const name = `tool-${String(n).padStart(2, "0")}`;
    yield { type: "span", spanId: name, kind: "tool", name, startTime: begins, endTime: begins + 700, time: begins + 700, input: { n } };
  }
  yield { type: "session-ended", time: START + 60_000, status: "completed" };
}

/** Texts that are too long for a line of the log, one of them with what is looked for at its end. */
function* long() {
  yield { type: "session-started", time: START };
  for (let n = 0; n < 600; n += 1) {
    const text = `${"x".repeat(3000)}${n === 300 || n === 500 ? ' hidden "needle"' : ""}`;
    yield n < 500
      ? { type: "span", spanId: `s${n}`, kind: "tool", name: "read", startTime: START, endTime: START, time: START, output: text }
      : { type: "note", name: "n", time: START, data: { text } };
  }
  yield { type: "session-ended", time: START, status: "completed" };
}

function* disposed() {
  const origin = { source: "server-handler", operation: "instance.disposeAll" };
  yield { type: "session-started", time: START, scopes: ["workspace"] };
  yield { type: "span-started", time: START + 10, spanId: "g1", kind: "generation", name: "chat" };
  yield { type: "span-text", time: START + 20, spanId: "g1", text: "I will " };
  yield { type: "lifecycle-begun", time: START + 30, actionId: PARENT, kind: "instance-dispose-all", origin };
  yield { type: "lifecycle-begun", time: START + 31, actionId: ACTION, kind: "instance-dispose", parentActionId: PARENT, origin };
  yield { type: "session-ended", time: START + 60, status: "error", error: "disposed" };
}

function* dropped() {
  const evidence = (event, more = {}) => ({ type: "evidence", source: "provider", event, attemptId: "a1", ...more });
  yield { type: "session-started", time: START };
  yield evidence("attempt-started");
  yield evidence("provider-progress");
  yield evidence("tool-input-started", { tool: "bash" });
  yield evidence("transport-failure", { source: "transport", error: { code: "ECONNRESET", message: "socket hang up" } });
  yield evidence("tool-execution-interrupted", { source: "cleanup", tool: "bash" });
  yield { type: "session-ended", status: "error", error: "Tool execution aborted" };
}

describe("what is told", () => {
  let browser;
  let store;
  let url;
  before(async () => {
    store = new Store();
    await store.record("damaged", damaged());
    await store.record("long", long());
    await store.record("disposed", disposed());
    await store.record("dropped", dropped());
    const folder = join(store.folder, "sessions", "damaged");
    for (const name of readdirSync(folder).filter((each) => each.endsWith(".wal"))) {
      const bytes = readFileSync(join(folder, name));
      for (const tool of ["tool-12", "tool-13", "tool-30"]) bytes[bytes.indexOf(tool) + 1] ^= 0x20;
      writeFileSync(join(folder, name), bytes);
    }
    ({ url } = await store.view());
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    store?.remove();
  });

  for (const form of ["served", "file"]) {
    it(`shows what is lost between the spans that were before and behind it (${form})`, async () => {
      const base = form === "served" ? url : `file://${store.exportHtml("damaged")}`;
      const page = await openPage(browser, at(base, "damaged", "waterfall"), { height: 1400 });
      const rows = async () => {
        await page.waitForFunction(() => document.querySelector("#loss-2") !== null && document.querySelectorAll(".item").length === 41);
        return page.$$eval(".item", (items) =>
          items
            .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
            .map((item) => (item.querySelector(".row-name") ?? item.querySelector(".loss-cell")).textContent),
        );
      };
      const tool = (n) => `tool-${String(n).padStart(2, "0")}`;
      const span = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => tool(from + n));
      const expected = [
        ...span(0, 11),
        /^Lost: event #15 \(damage; 1\.wal bytes/,
        /^Lost: event #16 /,
        ...span(14, 29),
        /^Lost: event #33 /,
        ...span(31, 39),
      ];
      const compare = (shown) => {
        assert.equal(shown.length, expected.length + 1);
        shown.slice(1).forEach((text, place) => assert.match(text, new RegExp(expected[place])));
      };
      compare(await rows());
      // Its bar goes from the event before to the one behind.
      const [left, right, before, behind] = await page.evaluate(() => {
        const edge = (id, side) => document.querySelector(`#${id} .bar`).getBoundingClientRect()[side];
        return [edge("loss-2", "left"), edge("loss-2", "right"), edge("row-28", "right"), edge("row-29", "right")];
      });
      assert.ok(Math.abs(left - before) < 2 && Math.abs(right - behind) < 2, `${left} ${right} ${before} ${behind}`);
      await page.goto(at(base, "damaged", "tree"));
      compare(await rows());
      await page.goto(at(base, "damaged", "log"));
      await page.waitForFunction(() => document.querySelectorAll(".gap-row").length === 3);
      assert.match(await page.$eval(".banner.lost", (banner) => banner.textContent), /3 events are lost, in 3 places\./);
      // An address of an event finds it behind what is lost.
      await page.goto(at(base, "damaged", "log", "?event=34"));
      await page.waitForFunction(() => document.querySelector(".raw pre")?.textContent.includes("tool-31"));
      await page.waitForFunction(() => document.querySelector(".log-row.cursor .seq")?.textContent === "34");
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  for (const form of ["served", "file"]) {
    it(`filters the log by all that is in its events, not by what their lines show (${form})`, async () => {
      const base = form === "served" ? url : `file://${store.exportHtml("long")}`;
      const page = await openPage(browser, at(base, "long", "log"));
      await page.waitForSelector(".log-row .type");
      const shows = (status, wanted) =>
        page.waitForFunction(
          (text, numbers) =>
            document.querySelector(".log .toolbar [role=status]").textContent === text &&
            [...document.querySelectorAll(".log-row .seq")].map((cell) => cell.textContent).join() === numbers,
          {},
          status,
          wanted.join(),
        );
      const type = async (text) => {
        await page.$eval("input[aria-label='Filter events by text']", (input) => {
          input.value = "";
          input.dispatchEvent(new Event("input", { bubbles: true }));
        });
        await page.type("input[aria-label='Filter events by text']", text);
      };
      await type('HIDDEN "needle"');
      await shows("2 of 603", [303, 503]);
      await page.select("select[aria-label='Type of event']", "note");
      await shows("1 of 603", [503]);
      await type("nothing is called this");
      await shows("0 of 603", []);
      await page.select("select[aria-label='Type of event']", "");
      await type('"type":"session-started"');
      await shows("1 of 603", [1]);
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  it("says in the list how many events are lost", async () => {
    const page = await openPage(browser, url);
    await page.waitForFunction(() => document.querySelectorAll(".sessions .item").length === 4);
    const shown = await page.$$eval(".sessions .item", (items) => items.map((item) => item.querySelector(".c-status").textContent));
    assert.deepEqual(shown.map((text) => /\d+ lost/.exec(text)?.[0]).filter(Boolean), ["3 lost"]);
    await page.close();
  });

  it("names the action that closed a session, where it came from, and what it was a part of", async () => {
    const page = await openPage(browser, at(url, "disposed", "summary"));
    await page.waitForSelector(".close-line");
    const line = await page.$eval(".close-line", (each) => each.textContent);
    for (const part of ["under instance-dispose by server-handler, instance.disposeAll", ACTION, "#6", `Part of ${PARENT}`]) {
      assert.ok(line.includes(part), `${part} in ${line}`);
    }
    await page.click(".close-line button.link");
    await page.waitForFunction(() => location.hash.endsWith("/log?event=6"));
    await page.waitForFunction((id) => document.querySelector(".raw pre")?.textContent.includes(id), {}, ACTION);
    assert.equal(await page.$eval(".log-row.cursor .type", (each) => each.textContent), "lifecycle-begun");
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it("tells what came first, and not the clean-up behind it", async () => {
    const page = await openPage(browser, at(url, "dropped", "summary"));
    await page.waitForSelector(".incident");
    const facts = await page.$$eval(".incident dl > div", (each) =>
      Object.fromEntries(each.map((fact) => [fact.querySelector("dt").textContent, fact.querySelector("dd").textContent])),
    );
    assert.equal(facts.cause, "provider-transport-disconnect");
    assert.equal(facts.phase, "during-tool-input");
    assert.equal(facts["tool execution"], "none");
    const rests = await page.$eval(".incident > p:last-child", (each) => each.textContent);
    assert.match(rests, /Rests on #3 attempt-started, #4 provider-progress, #5 tool-input-started bash, #6 transport-failure/);
    assert.match(await page.$eval(".ending .lead", (each) => each.textContent), /connection to the provider broke/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});
