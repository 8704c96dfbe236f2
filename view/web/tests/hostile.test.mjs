// A trace written to do harm: no script of it runs, no request leaves, nothing is blank, served and as a file.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { launch, openPage } from "./browser.mjs";
import { at, Store } from "./store.mjs";

const ATTACKS = [
  "<script>window.pwned=1</script>",
  "</script><script>window.pwned=2</script>",
  "<!--<script>",
  "<!--<script><!-- --!><script>window.pwned=3</script>",
  "--><img src=x onerror=window.pwned=4>",
  '"><svg onload=window.pwned=5>',
  "<iframe srcdoc='<script>parent.pwned=6</script>'></iframe>",
  "![picture](http://198.51.100.7/pixel.png) <img src=http://198.51.100.7/a.png>",
  "[click](javascript:window.pwned=7) [data](data:text/html,<script>1</script>) [there](http://198.51.100.7/link)",
  "<a href=javascript:window.pwned=8>x</a><style>body{display:none}</style><base href=http://198.51.100.7/><link rel=stylesheet href=http://198.51.100.7/s.css>",
  "<form id=app><input name=body></form><img name=getElementById><meta http-equiv=refresh content='0;url=http://198.51.100.7/'>",
  "</title></style></textarea></noscript></xmp><plaintext>",
  "a\u2028b\u2029c\u0000d\u0007e\u202Edcba\u202C",
  "`</code><script>window.pwned=9</script>`\n```html\n</code></pre><script>window.pwned=10</script>\n```",
  "__proto__ constructor prototype toString",
  `${"[".repeat(3000)}${"(".repeat(3000)}`,
  `${"> ".repeat(2000)}deep`,
  `${"*a_ ".repeat(5000)}`,
  "x".repeat(100_000),
  '{"__proto__":{"pwned":11}}',
  "@import url(http://198.51.100.7/i.css); background:url(http://198.51.100.7/b.png)",
  "😀".repeat(500) + "\uFFFD",
];
// As the log may hold it: what JSON.stringify would write differently.
const LONE = '"lone \\ud800 surrogate \\udc00 and \\u0000 nul <\\/script>"';
const ID = "../..</script><script>window.pwned=12</script>%2e%2e?#&\"'";

function* lines() {
  yield {
    type: "session-started",
    name: ATTACKS[1],
    metadata: {
      title: ATTACKS[3],
      prompt: ATTACKS.slice(0, 12).join("\n\n"),
      agent: ATTACKS[4],
      model: ATTACKS[5],
      userId: ATTACKS[0],
      tags: ATTACKS.slice(0, 4),
    },
  };
  for (const [place, text] of ATTACKS.entries()) {
    const name = text.slice(0, 120);
    yield {
      type: "span-started",
      spanId: `g${place}${name.slice(0, 40)}`,
      kind: "generation",
      name,
      model: { modelId: name.slice(0, 60) },
      input: text,
      attributes: { [name]: text },
    };
    yield { type: "span-text", spanId: `g${place}${name.slice(0, 40)}`, text };
    yield {
      type: "span-started",
      spanId: `t${place}`,
      parentSpanId: `g${place}${name.slice(0, 40)}`,
      kind: "tool",
      name,
      input: { command: text, file_path: text, old_string: text, new_string: `${text}!` },
    };
    yield {
      type: "span-ended",
      spanId: `t${place}`,
      status: place % 2 === 0 ? "error" : "ok",
      statusMessage: text,
      output: { [name]: [text] },
    };
    yield { type: "note", name, data: text };
    if (place % 3 === 0)
      yield {
        type: "span-ended",
        spanId: `g${place}${name.slice(0, 40)}`,
        finishReason: name,
        cost: 1e308,
        tokens: { input: 1, output: 2, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
        output: text,
      };
  }
  yield `{"type":"span","spanId":"lone","kind":"tool","name":"lone","startTime":-9000000000000,"endTime":9000000000000,"input":${LONE},"output":${LONE}}`;
  yield {
    type: "crashed",
    reason: ATTACKS[1],
    signal: "SIGSEGV",
    exception: { type: ATTACKS[0], message: ATTACKS[2], stack: ATTACKS[13] },
  };
}

const TABS = [
  ["summary", ".tile-value"],
  ["waterfall", ".item .row-name"],
  ["tree", ".item .row-name"],
  ["chat", ".message-box:not(.waiting)"],
  ["log", ".log-row .type"],
];

describe("a hostile trace", () => {
  let browser;
  let store;
  before(async () => {
    store = new Store();
    await store.record(ID, lines(), "--keep-going");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    store?.remove();
  });

  async function walk(page, base, allowed) {
    let spans = 0;
    for (const [tab, wanted] of TABS) {
      await page.goto(at(base, ID, tab));
      await page.waitForSelector(wanted);
      const text = await page.$eval(".view", (view) => view.innerText.trim().length);
      assert.ok(text > 100, `${tab} is blank: ${text} characters`);
      // Everything that folds is unfolded, and all of it is passed by.
      for (let step = 0; step < 25; step += 1) {
        await page.$$eval(".view details:not([open]) > summary", (all) => all.slice(0, 20).forEach((each) => each.click()));
        const more = await page.$eval(".view .scroll, .summary", (element) => {
          const before = element.scrollTop;
          element.scrollTop += element.clientHeight;
          return element.scrollTop > before;
        });
        await frame(page);
        if (!more) break;
      }
    }
    await page.goto(at(base, ID, "tree"));
    await page.waitForFunction(() => /^[0-9,]+ spans$/.test(document.querySelector(".head .name-cell")?.textContent ?? ""));
    const total = await page.$eval(".head .name-cell", (head) => Number.parseInt(head.textContent.replaceAll(",", ""), 10));
    assert.equal(total, 2 * ATTACKS.length + 2);
    for (let span = 0; span < total; span += 1) {
      await page.goto(at(base, ID, "tree", `?span=${span}`));
      await page.waitForFunction(
        (wanted) => document.querySelector(".detail dd.mono.break") !== null || document.querySelector(".detail [role=alert]") !== null,
        {},
        span,
      );
      assert.equal(await page.$(".detail [role=alert]"), null, `span ${span} could not be shown`);
      spans += 1;
    }
    await page.goto(at(base, ID, "tree"));
    await page.waitForSelector(".item");
    await page.keyboard.press("/");
    await page.waitForSelector(".search input");
    await page.type(".search input", "<script>");
    await page.waitForSelector("#hits li");
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.evaluate(() => ({}).pwned), undefined);
    assert.equal(
      await page.$$eval(
        "img, iframe, object, embed, base, form:not(.filters):not([method=dialog]), #app script, #app style, #app a[href^=javascript]",
        (all) => all.length,
      ),
      0,
    );
    const foreign = page.requested.filter((address) => !allowed(address));
    assert.deepEqual(foreign, []);
    assert.deepEqual(page.problems, []);
    return spans;
  }

  it("does nothing when served", async () => {
    const { url } = await store.view();
    const page = await openPage(browser, url);
    await page.waitForSelector(".sessions .item");
    const spans = await walk(page, url, (address) => address.startsWith(url) || address.startsWith("data:"));
    console.log(`# served: 5 tabs and ${spans} spans looked at, ${page.requested.length} requests, all to the server`);
    await page.close();
  });

  it("does nothing in a file", async () => {
    const file = pathToFileURL(store.exportHtml(ID)).href;
    const page = await openPage(browser, file);
    await page.waitForSelector(".tile-value");
    const spans = await walk(page, file, (address) => address.startsWith("file:") || address.startsWith("data:"));
    const fetched = page.requested.filter((address) => !address.startsWith("data:"));
    assert.ok(
      fetched.every((address) => address.split("#")[0] === file),
      `only the file itself: ${fetched}`,
    );
    console.log(`# in a file: 5 tabs and ${spans} spans looked at, no request but for the file`);
    await page.close();
  });

  it("shows what it says, as text", async () => {
    const { url } = await store.view();
    const page = await openPage(browser, at(url, ID, "summary"));
    await page.waitForSelector(".asked .markdown");
    const asked = await page.$eval(".asked", (card) => card.textContent);
    for (const part of ["<script>window.pwned=1</script>", "<!--<script>", "onerror=window.pwned=4"]) {
      assert.ok(asked.includes(part), `${part} is shown`);
    }
    await page.close();
  });

  it("opens a link only when it is asked for, and says where it leads", async () => {
    const { url } = await store.view();
    const page = await openPage(browser, at(url, ID, "summary"));
    await page.waitForSelector(".asked .markdown");
    await page.$$eval(".asked button.small", (buttons) => buttons.forEach((button) => button.click()));
    await page.waitForSelector(".asked button.link[title^='http://198.51.100.7']");
    await page.click(".asked button.link[title^='http://198.51.100.7']");
    assert.equal(await page.$eval("dialog.ask .address", (where) => where.textContent), "http://198.51.100.7/link");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector("dialog.ask") === null);
    assert.deepEqual(
      page.requested.filter((address) => !address.startsWith(url) && !address.startsWith("data:")),
      [],
    );
    await page.close();
  });
});

function frame(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
