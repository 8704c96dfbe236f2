// The two pictures of README.md: `TRACEWAL=target/release/tracewal node tests/pictures.mjs` writes them into docs/images.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, openPage } from "./browser.mjs";
import { at, Store } from "./store.mjs";

/** The story takes a minute, and ends now: recovery dates what it finds by the clock. */
const START = Date.now() - 60_000;
const ID = "flaky-login-test";
const MODEL = { modelId: "claude-sonnet-4", providerId: "anthropic" };
const folder = fileURLToPath(new URL("../../../docs/images/", import.meta.url));

/** An agent that looks for a flaky test with the help of another one, and is killed while it runs the tests. */
function* story() {
  let time = START;
  let spans = 0;
  let context = 4000;
  yield {
    type: "session-started",
    time,
    name: "coder",
    scopes: ["dir:checkout"],
    metadata: {
      title: "Find out why the login test is flaky",
      agent: "coder",
      version: "1.4.0",
      model: MODEL.modelId,
      environment: "ci",
      prompt: "`login_keeps_session` fails about **once in ten runs** on CI. Find out why, and fix it. Do not just raise the timeout.",
    },
  };
  const turn = function* (parent, text, took, calls) {
    spans += 1;
    const id = `call-${spans}`;
    yield {
      type: "span-started",
      time,
      spanId: id,
      ...(parent === null ? {} : { parentSpanId: parent }),
      kind: "generation",
      name: "chat",
      model: MODEL,
    };
    yield { type: "span-text", time: time + took / 3, spanId: id, text };
    time += took;
    context += 900 + text.length * 3;
    yield {
      type: "span-ended",
      time,
      spanId: id,
      finishReason: calls.length > 0 ? "tool_calls" : "stop",
      cost: 0.004 + context / 2_000_000,
      tokens: { input: 700, output: 60 + text.length, reasoning: 0, cacheRead: context, cacheWrite: 900 },
    };
    let longest = 0;
    for (const [place, [name, input, output, length, failed]] of calls.entries()) {
      const begins = time + place * 40;
      longest = Math.max(longest, place * 40 + length);
      yield {
        type: "span",
        time: begins + length,
        spanId: `${id}-${place}`,
        parentSpanId: id,
        kind: "tool",
        name,
        input,
        startTime: begins,
        endTime: begins + length,
        ...(failed ? { status: "error", statusMessage: output } : { output }),
      };
    }
    time += longest;
    return id;
  };
  const read = (path, length) => ["read", { file_path: path }, `// ${path}\n…`, length];
  const test = (length, output, failed = false) => ["bash", { command: "cargo test -p auth login_keeps_session" }, output, length, failed];
  yield* turn(null, "I will run the test a few times to see how it fails, and read it meanwhile.", 2600, [
    test(8200, "exit code 101: assertion failed: session.is_valid()", true),
    read("auth/tests/login.rs", 120),
    read("auth/src/session.rs", 90),
  ]);
  yield* turn(null, "It fails in `is_valid`. The session's expiry is computed from **two** clocks. Let me see who else reads them.", 3900, [
    [
      "grep",
      { pattern: "Clock::now|SystemTime::now", path: "auth/src" },
      "auth/src/session.rs:41\nauth/src/token.rs:17\nauth/src/cache.rs:88",
      310,
    ],
  ]);
  spans += 1;
  const helper = `agent-${spans}`;
  yield {
    type: "span-started",
    time,
    spanId: helper,
    kind: "span",
    name: "explore: who reads the clock",
    input: "Find every place where a session's expiry is compared with a clock.",
  };
  const began = time;
  yield* turn(helper, "I will look at the three places.", 1800, [
    read("auth/src/token.rs", 140),
    read("auth/src/cache.rs", 160),
    read("auth/src/clock.rs", 70),
  ]);
  yield* turn(helper, "The cache asks the wall clock, the token the monotonic one.", 2400, [
    ["grep", { pattern: "expires_at", path: "auth" }, "12 matches", 260],
  ]);
  yield* turn(helper, "`cache.rs:88` compares a monotonic expiry with the wall clock.", 1900, []);
  yield { type: "span-ended", time, spanId: helper, output: `Found in ${Math.round((time - began) / 1000)} s: cache.rs:88` };
  yield* turn(
    null,
    "Found: `cache.rs` compares a **monotonic** expiry with the **wall clock**.\n\n- the token is written with `Clock::monotonic`\n- the cache reads it with `SystemTime::now`\n\nI will give the cache the same clock.",
    5200,
    [
      [
        "edit",
        {
          file_path: "auth/src/cache.rs",
          old_string:
            "    pub fn get(&self, id: &SessionId) -> Option<Session> {\n        let entry = self.entries.get(id)?;\n        if entry.expires_at < SystemTime::now() {\n            return None;\n        }\n        Some(entry.session.clone())\n    }",
          new_string:
            "    pub fn get(&self, id: &SessionId) -> Option<Session> {\n        let entry = self.entries.get(id)?;\n        if entry.expires_at <= self.clock.monotonic() {\n            return None;\n        }\n        Some(entry.session.clone())\n    }",
        },
        "1 replacement",
        60,
      ],
    ],
  );
  yield* turn(null, "Now the test again.", 1500, [test(7600, "error[E0609]: no field `clock` on type `&Cache`", true)]);
  yield* turn(null, "The cache does not have the clock yet.", 2100, [
    [
      "edit",
      {
        file_path: "auth/src/cache.rs",
        old_string: "pub struct Cache {\n    entries: Entries,\n}",
        new_string: "pub struct Cache {\n    entries: Entries,\n    clock: Clock,\n}",
      },
      "1 replacement",
      55,
    ],
    ["edit", { file_path: "auth/src/lib.rs", old_string: "Cache::new()", new_string: "Cache::new(clock.clone())" }, "1 replacement", 50],
  ]);
  yield* turn(null, "And the test, three times in a row.", 1400, [
    test(9400, "test login_keeps_session ... ok"),
    test(9100, "test login_keeps_session ... ok"),
    test(9000, "test login_keeps_session ... ok"),
  ]);
  yield { type: "span-started", time, spanId: "last-call", kind: "generation", name: "chat", model: MODEL };
  yield { type: "span-text", time: time + 900, spanId: "last-call", text: "Three of three. Now all tests, a hundred times, to be sure" };
  yield { type: "evidence", time: time + 1300, source: "tool", event: "tool-execution-started", tool: "bash", effect: "local-process" };
  yield {
    type: "span-started",
    time: time + 1300,
    spanId: "last-tool",
    parentSpanId: "last-call",
    kind: "tool",
    name: "bash",
    input: { command: "for i in $(seq 100); do cargo test -p auth || break; done" },
  };
}

const store = new Store();
const browser = await launch();
try {
  mkdirSync(folder, { recursive: true });
  const recorder = store.recorder(ID);
  for (const event of story()) await recorder.write(event);
  const gone = new Promise((done) => recorder.child.on("exit", done));
  recorder.child.kill("SIGKILL");
  await gone;
  const { url } = await store.view();
  const picture = async (name, address, wanted, dark, ready) => {
    const page = await openPage(browser, address, { width: 1280, height: 800, dark });
    await page.waitForSelector(wanted);
    await ready?.(page);
    await page.waitForNetworkIdle({ idleTime: 300, concurrency: 1 });
    await page.screenshot({ path: `${folder}${name}.png` });
    if (page.problems.length > 0) throw new Error(page.problems.join("\n"));
    await page.close();
  };
  const edit =
    store
      .events(ID)
      .filter((event) => event.type === "span" || event.type === "span-started")
      .findIndex((event) => event.input?.old_string !== undefined) + 1;
  await picture("viewer-waterfall", at(url, ID, "waterfall", `?span=${edit}`), ".diff", false);
  await picture("viewer-summary", at(url, ID, "summary"), ".tile-value", true);
} finally {
  await browser.close();
  store.remove();
}
