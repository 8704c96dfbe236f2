// What a large session costs: `node tests/measure.mjs URL SESSION [PID]` prints time to first paint, frames while scrolling, memory.
// PID: the server's process.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { launch } from "./browser.mjs";

const SCROLLED_MS = 3000;
/** As a fast wheel turns: four screens in a second. */
const FAST = 3000;

/** Milliseconds from the start of the navigation until `selector` is there and a frame with it has been drawn. */
export async function firstPaint(browser, url, selector) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  await page.evaluateOnNewDocument((wanted) => {
    const look = () => {
      if (document.querySelector(wanted) === null) {
        requestAnimationFrame(look);
      } else {
        requestAnimationFrame(() =>
          setTimeout(() => {
            window.paintedAt = performance.now();
          }),
        );
      }
    };
    requestAnimationFrame(look);
  }, selector);
  await page.goto(url);
  await page.waitForFunction(() => window.paintedAt !== undefined, { timeout: 60_000 });
  return { page, ms: await page.evaluate(() => window.paintedAt) };
}

/** Scrolls `selector` evenly, at this speed or through all it holds in the time there is, and counts the frames that were drawn meanwhile. */
export async function scrolling(page, selector, pixelsPerSecond = Infinity) {
  await page.waitForFunction((wanted) => document.querySelector(wanted).scrollHeight > 10_000, {}, selector);
  return page.evaluate(
    (wanted, length, speed) =>
      new Promise((done) => {
        const element = document.querySelector(wanted);
        const all = Math.min(element.scrollHeight - element.clientHeight, (speed * length) / 1000);
        element.scrollTop = 0;
        const frames = [];
        let blank = 0;
        const began = performance.now();
        const frame = (now) => {
          frames.push(now);
          const part = (performance.now() - began) / length;
          const box = element.getBoundingClientRect();
          // What stands in the middle of the view has to be a row, drawn where the view is now.
          if (document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)?.closest("[role=row], .chat-item") === null) {
            blank += 1;
          }
          if (part >= 1) {
            const gaps = frames
              .slice(1)
              .map((at, place) => at - frames[place])
              .sort((a, b) => a - b);
            done({
              perSecond: ((frames.length - 1) * 1000) / (frames.at(-1) - frames[0]),
              median: gaps[gaps.length >> 1],
              p99: gaps[Math.floor(gaps.length * 0.99)],
              longest: gaps.at(-1),
              blank,
              frames: frames.length,
            });
            return;
          }
          element.scrollTop = part * all;
          requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      }),
    selector,
    SCROLLED_MS,
    pixelsPerSecond,
  );
}

export async function memory(browser, page, serverPid) {
  const session = await page.createCDPSession();
  await session.send("HeapProfiler.collectGarbage");
  const { JSHeapUsedSize } = await page.metrics();
  const root = await browser.target().createCDPSession();
  const { processInfo } = await root.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => residentMiB(id));
  return {
    heapMiB: JSHeapUsedSize / 1048576,
    tabMiB: Math.max(...renderers),
    serverMiB: serverPid === undefined ? null : residentMiB(serverPid),
  };
}

export function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

/** All of it for one session, as lines of text and as numbers. */
export async function measure(browser, url, session, serverPid) {
  const at = (tab) => `${url}#/s/${encodeURIComponent(session)}/${tab}`;
  const figures = {};
  for (const [tab, painted] of [
    ["summary", ".tile-value"],
    ["waterfall", ".item .bar"],
    ["tree", ".item .row-name"],
    ["chat", ".message-box:not(.waiting)"],
    ["log", ".log-row .type"],
  ]) {
    const { page, ms } = await firstPaint(browser, at(tab), painted);
    figures[tab] = { firstPaintMs: Math.round(ms) };
    if (tab !== "summary") {
      const steady = await scrolling(page, ".view .scroll", FAST);
      const through = await scrolling(page, ".view .scroll");
      Object.assign(figures[tab], {
        framesPerSecond: Math.round(steady.perSecond * 10) / 10,
        medianMs: Math.round(steady.median * 10) / 10,
        p99Ms: Math.round(steady.p99),
        longestMs: Math.round(steady.longest),
        blank: steady.blank,
        "through all: frames per second": Math.round(through.perSecond * 10) / 10,
        "blank then": through.blank,
      });
    }
    const used = await memory(browser, page, serverPid);
    Object.assign(figures[tab], {
      heapMiB: Math.round(used.heapMiB),
      tabMiB: Math.round(used.tabMiB),
      ...(used.serverMiB === null ? {} : { serverMiB: Math.round(used.serverMiB) }),
    });
    await page.close();
  }
  return figures;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, session, pid] = process.argv.slice(2);
  const browser = await launch();
  console.table(await measure(browser, url, session, pid));
  await browser.close();
}
