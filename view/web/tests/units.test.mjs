// What needs no browser: the layout of the tree, the time axis, addresses, changes to files. Random cases print their seed.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "vite";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** A small generator of numbers, so that a seed says everything. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe(`units, seed ${SEED}`, () => {
  let folder;
  let units;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tracewal-units-"));
    const entry = join(folder, "entry.ts");
    writeFileSync(
      entry,
      ["skeleton", "losses", "timescale", "route", "edits", "brief", "format"]
        .map((name) => `export * from ${JSON.stringify(join(src, `${name}.ts`))};`)
        .join("\n"),
    );
    await build({
      configFile: false,
      logLevel: "silent",
      root: src,
      build: { outDir: folder, emptyOutDir: false, minify: false, lib: { entry, formats: ["es"], fileName: () => "units.mjs" } },
    });
    units = await import(pathToFileURL(join(folder, "units.mjs")).href);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("lays spans out as a walk over the tree does, whatever order parents and children came in", () => {
    const next = random(SEED);
    for (let round = 0; round < 200; round += 1) {
      const count = 1 + Math.floor(next() * 60);
      // A random tree whose nodes are then numbered anew: a parent may come after its child.
      const tree = Array.from({ length: count }, (_, node) => (node === 0 ? -1 : Math.floor(next() * node)));
      const names = [0, ...Array.from({ length: count - 1 }, (_, node) => node + 1).sort(() => next() - 0.5)];
      const parent = [];
      tree.forEach((above, node) => {
        parent[names[node]] = above < 0 ? -1 : names[above];
      });
      const skeleton = new units.Skeleton();
      parent.forEach((above, index) => skeleton.set(index, above, index, index + 1, index % 4, index % 5 === 0 ? 1 : 0));
      const closed = new Set(parent.map((_, index) => index).filter(() => next() < 0.2));
      const keep = next() < 0.5 ? null : (index) => index % 7 === 0;
      const kept = new Set(keep === null ? parent.keys() : []);
      if (keep !== null)
        for (const index of parent.keys()) if (keep(index) || index === 0) for (let up = index; up >= 0; up = parent[up]) kept.add(up);
      const expected = [];
      const walk = (index, depth) => {
        if (!kept.has(index)) return;
        expected.push([index, depth]);
        if (!closed.has(index)) parent.forEach((above, child) => above === index && walk(child, depth + 1));
      };
      walk(0, 0);
      const laid = units.layOut(skeleton, closed, keep);
      assert.deepEqual(
        [...laid.order].map((index, place) => [index, laid.depth[place]]),
        expected,
        `round ${round}`,
      );
      [...laid.order].forEach((index, place) => assert.equal(laid.place[index], place));
    }
  });

  it("lays out a chain that is 100,000 deep", () => {
    const skeleton = new units.Skeleton();
    for (let index = 0; index < 100_000; index += 1) skeleton.set(index, index - 1, 0, 1, 0, 0);
    const laid = units.layOut(skeleton, new Set(), null);
    assert.equal(laid.order.length, 100_000);
    assert.equal(laid.order[99_999], 99_999);
  });

  it("puts what is lost behind the span before it, or what that is folded into, and keeps the place of every span", () => {
    const skeleton = new units.Skeleton();
    [-1, 0, 1, 1, 0].forEach((parent, index) => skeleton.set(index, parent, index, index + 1, 0, 0));
    const lost = [{ afterSpan: 2 }, { afterSpan: null }, { afterSpan: 2 }, { afterSpan: 4 }, { afterSpan: 99 }];
    const rows = (closed, keep = null) => {
      const laid = units.withLosses(units.layOut(skeleton, new Set(closed), keep), skeleton.parent, lost);
      [...laid.order].forEach((row, place) => row >= 0 && assert.equal(laid.place[row], place));
      return [...laid.order].map((row) => (row < 0 ? `lost ${units.lossOf(row)}` : row));
    };
    assert.deepEqual(rows([]), [0, "lost 4", 1, 2, "lost 0", "lost 2", 3, 4, "lost 3"]);
    assert.deepEqual(rows([1]), [0, "lost 4", 1, "lost 0", "lost 2", 4, "lost 3"]);
    assert.deepEqual(rows([0]), [0, "lost 0", "lost 2", "lost 3", "lost 4"]);
    assert.deepEqual(
      rows([], (index) => index === 3),
      [0, "lost 3", "lost 4", 1, "lost 0", "lost 2", 3],
    );
    assert.deepEqual([...units.withLosses(units.layOut(skeleton, new Set(), null), skeleton.parent, []).order], [0, 1, 2, 3, 4]);
  });

  it("finds an event among the entries of a log in which some are lost", () => {
    const lost = [
      { afterSeq: 2, first: 3, last: 5 },
      { afterSeq: 7, first: null, last: null },
    ];
    // Entries: 1 2 (3 to 5) 6 7 (nothing known) 8
    assert.deepEqual(
      [1, 2, 6, 7, 8].map((seq) => units.entryOf(seq, lost)),
      [0, 1, 3, 4, 6],
    );
  });

  it("does not stretch the axis to where recovery closed a span", () => {
    const skeleton = new units.Skeleton();
    skeleton.set(0, -1, 0, 5000, 0, 2);
    skeleton.set(1, 0, 10, 4000, 2, 0);
    skeleton.set(2, 0, 4100, 9e9, 2, 2);
    assert.equal(skeleton.last, 4100);
    assert.equal(skeleton.lastInterrupted, 9e9);
  });

  it("ends, and shows what it can, when parents run in circles or are not there", () => {
    const skeleton = new units.Skeleton();
    [[-1], [2], [1], [3], [999], [-5], [0]].forEach(([parent], index) => skeleton.set(index, parent, 0, 1, 0, 0));
    const { order } = units.layOut(skeleton, new Set(), (index) => index > 0);
    assert.deepEqual([...order], [0, 3, 4, 5, 6]);
  });

  it("finds each time again on an axis with cut gaps, and never runs backwards", () => {
    const next = random(SEED + 1);
    for (let round = 0; round < 300; round += 1) {
      const gaps = [];
      let at = 0;
      for (let gap = 0; gap < Math.floor(next() * 8); gap += 1) {
        const from = at + next() * 1000;
        at = from + next() * 100_000;
        gaps.push({ from, to: at });
      }
      const last = at + next() * 1000 + 1;
      const scale = new units.TimeScale(0, last, next() < 0.2 ? [] : gaps);
      let before = -1;
      for (let step = 0; step <= 200; step += 1) {
        const time = (last * step) / 200;
        const place = scale.place(time);
        assert.ok(place >= before - 1e-6, `round ${round}: ${place} after ${before}`);
        assert.ok(Math.abs(scale.time(place) - time) < 1e-4 * Math.max(1, last), `round ${round}: ${time} became ${scale.time(place)}`);
        before = place;
      }
      const { ticks } = units.ticks(scale, 0, scale.length, 8);
      assert.ok(ticks.length <= 40, `${ticks.length} ticks`);
      ticks.forEach((tick, place) => assert.ok(place === 0 || tick.place > ticks[place - 1].place));
    }
  });

  it("keeps addresses whatever a session is called", () => {
    for (const session of ["a", ".", "..", "a/b", "a?b#c", "%2e%2e", "<script>", "ü \u0000 \u{1F600}", "a&span=3"]) {
      for (const span of [null, 0, 12]) {
        const route = { session, tab: "tree", span };
        assert.deepEqual(units.parseRoute(units.routeHash(route)), route);
      }
    }
    assert.deepEqual(units.parseRoute("#/s/a/nonsense?span=-1"), { session: "a", tab: "summary", span: null });
    assert.deepEqual(units.parseRoute("#/s/%E0%A4%A/log"), { session: "%E0%A4%A", tab: "log", span: null });
  });

  it("knows changes to files in the inputs of the tools there are", () => {
    const signs = (input) => units.editsOf(input).map((edit) => [edit.file, edit.added, edit.removed]);
    assert.deepEqual(signs({ file_path: "a.rs", old_string: "1\n2\n3", new_string: "1\n4\n3\n5" }), [["a.rs", 3, 2]]);
    assert.deepEqual(
      signs({
        file_path: "a.rs",
        edits: [
          { old_string: "x", new_string: "y" },
          { old_string: "p", new_string: "" },
        ],
      }),
      [
        ["a.rs", 1, 1],
        ["a.rs", 0, 1],
      ],
    );
    assert.deepEqual(signs({ path: "new.txt", file_text: "one\ntwo\n" }), [["new.txt", 2, 0]]);
    assert.deepEqual(signs('{"file_path":"s","old_string":"a\\n","new_string":"b\\n"}'), [["s", 1, 1]]);
    assert.deepEqual(signs({ command: ["apply_patch", "*** Begin Patch\n*** Update File: a\n-x\n+y\n+z\n*** End Patch"] }), [["", 2, 1]]);
    assert.deepEqual(signs("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n"), [["", 1, 1]]);
    for (const other of [null, 3, "text", "- a list\n- of things", { command: "ls -la" }, { file_path: "a" }, [1, 2], "{not json"])
      assert.deepEqual(signs(other), []);
  });

  it("gives up on differences that take too long, and still shows both sides", () => {
    const next = random(7);
    const lines = () => Array.from({ length: 30_000 }, () => String(next())).join("\n");
    const began = performance.now();
    const [edit] = units.editsOf({ file_path: "f", old_string: lines(), new_string: lines() });
    assert.deepEqual([edit.added, edit.removed], [30_000, 30_000]);
    assert.ok(performance.now() - began < 2000);
  });

  it("says in a line what a call was about", () => {
    assert.equal(units.brief('{"command":"make \\"all\\"\\n  -j","description":"x"}'), 'make "all" -j');
    assert.equal(units.brief('{"command":"cut off in the mid'), "cut off in the mid");
    assert.equal(units.brief('{"command":"cut at an escape\\'), "cut at an escape");
    assert.equal(units.brief('{"replace_all":false,"limit":-1.5e3,"file_path":"/a/b.rs","old_string":"x'), "/a/b.rs");
    assert.equal(units.brief('{"old_string":"say \\"command\\": \\"no\\"","path":"c.rs"}'), "c.rs");
    assert.equal(units.brief('{"deep":true,"query":"find it"}'), "find it");
    assert.equal(units.brief("**bold** and `code`"), "bold and code");
    assert.equal(units.brief('{"count":3}'), '{"count":3}');
  });

  it("writes durations and amounts as people read them", () => {
    assert.deepEqual([0, 0.5, 1.25, 850, 999.6, 12_800, 59_999, 187_000, 7_440_000, 273_600_000, null, Number.NaN].map(units.duration), [
      "0 ms",
      "500 µs",
      "1.3 ms",
      "850 ms",
      "1.0 s",
      "12.8 s",
      "1 m 00 s",
      "3 m 07 s",
      "2 h 04 m",
      "3 d 04 h",
      "–",
      "–",
    ]);
    assert.deepEqual(
      [units.money(0.015), units.money(null), units.money(123.456), units.money(0.00001234), units.money(1, true)],
      ["$0.0150", "–", "$123.46", "$0.000012", "~$1.0000"],
    );
    assert.equal(units.dateTime(8.64e15 + 1), `${8.64e15 + 1} ms`);
  });
});
