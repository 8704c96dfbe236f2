// Real sessions: every tab shows them, and every number on Summary is the one that is counted from the log.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launch, openPage } from "./browser.mjs";
import { count } from "./count.mjs";
import { at, DATA, Store } from "./store.mjs";

describe("real sessions", { skip: DATA === null ? "SKIPPED: there is no ../shared/data beside the checkout" : false }, () => {
  let browser;
  let store;
  let url;
  let sessions;
  before(async () => {
    store = new Store();
    store.run("import", "claude-code", `${DATA}/claude-code`);
    store.run("import", "codex", `${DATA}/codex`);
    sessions = store
      .run("ls", "--json")
      .trim()
      .split("\n")
      .flatMap((line) => JSON.parse(line))
      .map((row) => row.id ?? row.sessionId);
    ({ url } = await store.view());
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    store?.remove();
  });

  it("lists all of them", async () => {
    const page = await openPage(browser, url);
    await page.waitForFunction((wanted) => document.querySelectorAll(".sessions .item").length === wanted, {}, sessions.length);
    const shown = await page.$$eval(".sessions .item a.title", (links) =>
      links.map((link) => decodeURIComponent(/#\/s\/([^/]+)\//.exec(link.getAttribute("href"))[1])),
    );
    assert.deepEqual(shown.sort(), [...sessions].sort());
    await page.type(".wide-input", "no session is called this");
    await page.waitForFunction(() => document.querySelectorAll(".sessions .item").length === 0);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it("shows every tab of each, with nothing wrong in the page", async () => {
    const page = await openPage(browser, url);
    for (const session of sessions) {
      for (const [tab, wanted] of [
        ["summary", ".tile-value"],
        ["waterfall", ".item .bar"],
        ["tree", ".item .row-name"],
        ["chat", ".message-box:not(.waiting)"],
        ["log", ".log-row .type"],
      ]) {
        await page.goto(at(url, session, tab));
        await page.waitForSelector(wanted);
      }
      await page.goto(at(url, session, "tree", "?span=1"));
      await page.waitForSelector(".detail-section");
    }
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it("says on Summary what is counted from the log", async () => {
    const page = await openPage(browser, url);
    let compared = 0;
    let estimated = 0;
    for (const session of sessions) {
      const counted = count(store.events(session));
      await page.goto(at(url, session, "summary"));
      await page.waitForFunction(
        (id) => document.querySelector("h1")?.title === id && document.querySelector(".tile-value") !== null,
        {},
        session,
      );
      await unfold(page);
      const shown = await page.evaluate(() => ({
        figures: Object.fromEntries(
          [...document.querySelectorAll("[data-figure][data-raw]")].map((each) => [each.dataset.figure, Number(each.dataset.raw)]),
        ),
        text: Object.fromEntries([...document.querySelectorAll("[data-figure]")].map((each) => [each.dataset.figure, each.textContent])),
        tables: Object.fromEntries(
          [...document.querySelectorAll(".summary [role=group][aria-label]")].map((each) => [
            each.getAttribute("aria-label"),
            [...each.querySelectorAll("tbody tr")].map((row) =>
              [...row.children].map((cell) => ({ text: cell.textContent.trim(), exact: cell.title })),
            ),
          ]),
        ),
        charts: [...document.querySelectorAll(".chart [role=img]")].map((chart) => chart.getAttribute("aria-label")),
        titles: Object.fromEntries(
          [...document.querySelectorAll(".card > h2")].map(({ textContent }) => {
            const [, title, count] = /^(.*?)(?: \(([0-9,]+)\))?$/.exec(textContent);
            return [title, Number((count ?? "0").replaceAll(",", ""))];
          }),
        ),
        events: document.querySelector("[data-figure=spans]").parentElement.querySelector(".tile-note").textContent,
        errors: [...document.querySelectorAll(".errors li button")].map((error) => error.textContent),
        loops: [...document.querySelectorAll(".loops li")].map((loop) => /^.* \d+ times/.exec(loop.textContent)[0]),
        commands: [...document.querySelectorAll(".commands code")].map((command) => command.textContent),
      }));
      for (const name of ["generations", "tools", "errors", "spans", "tokens", "duration"]) {
        assert.equal(shown.figures[name], counted[name], `${session}: ${name}`);
        compared += 1;
      }
      assert.ok(Math.abs(shown.figures.cost - counted.cost) < 1e-6, `${session}: cost ${shown.figures.cost}, counted ${counted.cost}`);
      const told = /(~?)\$([0-9.]+)/.exec(store.run("show", session));
      if (told[1] === "~") {
        assert.ok(shown.text.cost.startsWith("~$"), `${session}: ${shown.text.cost} is not said to be an estimate`);
        const difference = Number(shown.text.cost.slice(2)) - Number(told[2]);
        assert.ok(Math.abs(difference) < 0.006, `${session}: estimated ${shown.text.cost}, show says ${told[0]}`);
        estimated += 1;
      }
      assert.equal(shown.text.generations, counted.generations.toLocaleString("en-US"));
      assert.equal(shown.text.tools, counted.tools.toLocaleString("en-US"));
      compared += 3;
      const whole = (cell) => Number((cell.exact || cell.text).replace(/[^0-9.]/g, ""));
      const models = (shown.tables["By model"] ?? []).map((row) => ({
        model: row[0].text,
        calls: whole(row[1]),
        errors: whole(row[2]),
        input: whole(row[3]),
        output: whole(row[4]),
        reasoning: row.length > 8 ? whole(row[5]) : 0,
        cache: [...row.at(-3).exact.matchAll(/[0-9][0-9,]*/g)].map(([each]) => Number(each.replaceAll(",", ""))),
        time: whole(row.at(-2)),
      }));
      assert.deepEqual(
        sortedBy(models, "model"),
        sortedBy(
          counted.byModel.map(({ model, calls, errors, input, output, reasoning, cacheRead, cacheWrite, time }) => ({
            model: model || "(not named)",
            calls,
            errors,
            input,
            output,
            reasoning,
            cache: [cacheRead, cacheWrite],
            time: Math.round(time),
          })),
          "model",
        ),
        `${session}: by model`,
      );
      const tools = (shown.tables["By tool"] ?? []).map((row) => ({
        tool: row[0].text,
        calls: whole(row[1]),
        errors: whole(row[2]),
        time: whole(row[4]),
      }));
      const byTool = counted.byTool.map((row) => ({ ...row, time: Math.round(row.time) }));
      assert.deepEqual(sortedBy(tools, "tool"), sortedBy(byTool, "tool"), `${session}: by tool`);
      compared += models.length * 8 + tools.length * 3;
      if (counted.tokens > 0) {
        const { input, output, reasoning, cacheRead, cacheWrite } = counted.classes;
        const [, shownInput, shownOutput] = /input with cache reaches ([0-9,]+), output with reasoning reaches ([0-9,]+)/.exec(
          shown.charts.find((label) => label.startsWith("Tokens")),
        );
        assert.equal(Number(shownInput.replaceAll(",", "")), input + cacheRead + cacheWrite, `${session}: input over time`);
        assert.equal(Number(shownOutput.replaceAll(",", "")), output + reasoning, `${session}: output over time`);
        compared += 2;
      }
      assert.equal(shown.events, `${counted.events.toLocaleString("en-US")} events`, session);
      for (const [title, list] of [
        ["Errors", counted.failed],
        ["Commands", counted.commands],
        ["Files", counted.files],
        ["Loops", counted.loops],
      ]) {
        assert.equal(shown.titles[title] ?? 0, list.length, `${session}: ${title}`);
        compared += 1;
      }
      assert.deepEqual(shown.errors, counted.failed.slice(0, 100), `${session}: errors`);
      assert.deepEqual(shown.loops, counted.loops, `${session}: loops`);
      const files = (shown.tables.Files ?? []).map((row) => ({ path: row[0].text, reads: whole(row[1]), writes: whole(row[2]) }));
      assert.deepEqual(sortedBy(files, "path"), sortedBy(counted.files, "path").slice(0, 500), `${session}: files`);
      const oneLine = (text) => [...text.replace(/\s+/g, "")].slice(0, 100).join("");
      assert.deepEqual(shown.commands.map(oneLine), counted.commands.slice(0, 500).map(oneLine), `${session}: commands`);
      compared += 1 + shown.errors.length + shown.loops.length + 2 * files.length + shown.commands.length;
    }
    console.log(`# ${compared} numbers of ${sessions.length} sessions compared, all equal`);
    assert.ok(compared > 60);
    assert.ok(estimated > 0, "no session says what it used and not what it cost");
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});

/** Opens every list that shows its first entries alone. */
async function unfold(page) {
  await page.$$eval(".summary .card button.small[aria-expanded=false]", (buttons) => buttons.forEach((button) => button.click()));
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

function sortedBy(rows, name) {
  return [...rows].sort((a, b) => (a[name] < b[name] ? -1 : 1));
}
