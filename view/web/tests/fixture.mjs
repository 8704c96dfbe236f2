// A server with the viewer's documents, made up: for working on the page, and for tests that have to say exactly what comes when.
// `node tests/fixture.mjs` serves on a port it prints.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const SIZES = { skeleton: 4096, rows: 256, chat: 64, log: 256 };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const START = Date.UTC(2026, 2, 15, 10, 0, 0);

/** Spans of an agent that reads, edits and tests, with sub-agents, errors, a gap of ten minutes, and an end in the middle. */
export function madeUp({ id = "fix/the build", turns = 40, status = "crashed" } = {}) {
  const spans = [
    { parent: -1, start: 0, end: 0, kind: 0, status: 0, name: "session", input: "Why does **CI** fail? Please look at `make test`." },
  ];
  let time = 0;
  let parent = 0;
  const tools = ["bash", "read", "edit", "grep", "write"];
  for (let turn = 0; turn < turns; turn += 1) {
    if (turn === Math.floor(turns / 2)) {
      time += 600_000;
    }
    if (turn % 13 === 5) {
      spans.push({
        parent: 0,
        start: time,
        end: time + 90_000,
        kind: 0,
        status: 0,
        name: "sub-agent: explore",
        input: "Find where the flag is read.",
      });
      parent = spans.length - 1;
    } else if (turn % 13 === 9) {
      spans[parent].end = time;
      parent = 0;
    }
    const generation = spans.length;
    const length = 1500 + ((turn * 7919) % 9000);
    spans.push({
      parent,
      start: time,
      end: time + length,
      kind: 1,
      status: 0,
      name: "chat",
      model: "claude-sonnet-4",
      cost: 0.01 + (turn % 7) / 300,
      tokens: { input: 1200 + turn * 90, output: 80 + ((turn * 37) % 400), reasoning: 0, cacheRead: turn * 700, cacheWrite: 300 },
      output: `Turn ${turn}: let me look at **src/flags.rs** next.\n\n- one\n- two\n\n\`\`\`rust\nfn main() { println!("{}", 1); }\n\`\`\``,
    });
    time += length;
    for (let call = 0; call <= turn % 3; call += 1) {
      const name = tools[(turn + call) % tools.length];
      const took = 40 + ((turn * 104_729 + call * 31) % 5000);
      const failed = (turn * 5 + call) % 17 === 3;
      spans.push({
        parent: generation,
        start: time,
        end: time + took,
        kind: 2,
        status: failed ? 1 : 0,
        name,
        error: failed ? "exit code 1: test failed" : undefined,
        input:
          name === "edit"
            ? {
                file_path: `src/file_${turn}.rs`,
                old_string: "let a = 1;\nlet b = 2;\nlet c = 3;",
                new_string: "let a = 1;\nlet b = 20;\nlet c = 3;",
              }
            : name === "bash"
              ? { command: `make test ARGS=--turn=${turn}`, description: "Run the tests" }
              : { file_path: `src/file_${turn}.rs` },
        output: failed ? { error: "exit code 1" } : `line one of the output of ${name}\nline two\n`,
      });
      time += took;
    }
  }
  if (status === "crashed") {
    spans.push({
      parent: 0,
      start: time,
      end: time + 4000,
      kind: 1,
      status: 2,
      name: "chat",
      model: "claude-sonnet-4",
      output: "Now I will",
    });
    spans.push({
      parent: spans.length - 1,
      start: time + 1000,
      end: time + 4000,
      kind: 2,
      status: 2,
      name: "bash",
      input: { command: "make release" },
    });
    time += 4000;
  }
  spans[0].end = time;
  return {
    id,
    status,
    spans,
    title: "Fix the build",
    agent: "claude-code",
    prompt: spans[0].input,
    lost:
      status === "crashed"
        ? [
            {
              afterSeq: 40,
              first: 41,
              last: 46,
              kind: "damage",
              where: "000001.seg, bytes 4096 to 4607",
              afterSpan: 19,
              from: START + spans[19].end,
              to: START + spans[20].start + 9000,
            },
          ]
        : [],
  };
}

export function documents(made) {
  const { spans } = made;
  const children = spans.map(() => []);
  spans.forEach((span, index) => span.parent >= 0 && children[span.parent].push(index));
  const tools = spans.filter((span) => span.kind === 2);
  const generations = spans.filter((span) => span.kind === 1);
  const sum = (list, of) => list.reduce((total, each) => total + (of(each) ?? 0), 0);
  const tokens = Object.fromEntries(
    ["input", "output", "reasoning", "cacheRead", "cacheWrite"].map((name) => [name, sum(generations, (span) => span.tokens?.[name])]),
  );
  const log = [];
  let seq = 1;
  log.push(
    { seq: seq++, time: START, type: "session-started", text: made.title },
    { seq: seq++, time: START, type: "run-started", text: "pid 4711" },
  );
  spans.forEach((span, index) => {
    if (index === 0) return;
    if (seq === 41 && made.lost.length > 0) {
      log.push({ gap: made.lost[0] });
      seq = 47;
    }
    log.push({ seq: seq++, time: START + span.start, type: "span-started", span: index, text: preview(span.input) });
    if (span.status !== 2 && span.status !== 3)
      log.push({ seq: seq++, time: START + span.end, type: "span-ended", span: index, text: preview(span.output) });
  });
  if (made.status === "crashed") log.push({ seq: seq++, time: START + spans[0].end, type: "crashed", text: "process vanished" });
  const chat = [{ role: "user", span: 0, time: START, text: String(made.prompt) }];
  spans.forEach((span, index) => {
    if (span.kind === 1) {
      chat.push({
        role: "assistant",
        span: index,
        time: START + span.start,
        text: span.output,
        ...(index === 1 ? { reasoning: "The user wants *CI* fixed." } : {}),
        tools: children[index].map((tool) => ({
          span: tool,
          name: spans[tool].name,
          status: spans[tool].status,
          inputPreview: preview(spans[tool].input),
          outputPreview: preview(spans[tool].output),
        })),
      });
    }
  });
  if (made.lost.length > 0) chat.splice(12, 0, { role: "gap", time: START, text: "6 events are lost here" });
  if (made.status === "crashed") chat.push({ role: "crash", time: START + spans[0].end, text: "Crashed: process vanished" });
  const open = spans.flatMap((span, index) => (span.status === 2 ? [index] : []));
  const buckets = Array.from({ length: 60 }, () => ({ cost: 0, input: 0, output: 0 }));
  const step = Math.max(1, spans[0].end / 60);
  for (const span of generations) {
    const bucket = buckets[Math.min(59, Math.floor(span.end / step))];
    bucket.cost += span.cost ?? 0;
    bucket.input += span.tokens?.input ?? 0;
    bucket.output += span.tokens?.output ?? 0;
  }
  const byTool = [...new Set(tools.map((tool) => tool.name))].map((tool) => {
    const of = tools.filter((span) => span.name === tool);
    return {
      tool,
      calls: of.length,
      errors: of.filter((span) => span.status === 1).length,
      interrupted: of.filter((span) => span.status === 2).length,
      duration: sum(of, (span) => span.end - span.start),
    };
  });
  const row = (span, index) => ({
    id: `span-${index}`,
    name: span.name,
    kind: ["session", "generation", "tool", "text"][span.kind],
    status: span.status,
    start: START + span.start,
    end: START + span.end,
    model: span.model ?? null,
    tokens: span.tokens ?? null,
    cost: span.cost ?? null,
    error: span.error ?? null,
    preview: preview(span.input ?? span.output),
  });
  const summary = {
    id: made.id,
    title: made.title,
    status: made.status,
    agent: made.agent,
    directory: "/work/project",
    startedAt: START,
    endedAt: START + spans[0].end,
    at: Date.now(),
    prompt: made.prompt,
    answer: generations.at(-1)?.output ?? null,
    version: made.version ?? 1,
    summary: {
      totalTokens: sum(Object.values(tokens), (value) => value),
      totalCost: sum(generations, (span) => span.cost),
      totalToolCalls: tools.length,
      totalGenerations: generations.length,
      duration: spans[0].end,
      status: made.status,
      tokens,
      narrative: "Crashed after 14m. Made 40 LLM calls using 5 tools (bash, read, edit).",
    },
    close: { kind: "crashed", provenance: "incident" },
    incidents:
      made.status !== "crashed"
        ? null
        : {
            terminal: {
              cause: "crash",
              kind: "vanished",
              phase: "during-tool-execution",
              confidence: "high",
              complete: true,
              run: 1,
              seq: seq - 1,
              facts: { visibleOutput: "text", toolExecution: "started", sideEffect: "unknown" },
              recovery: { advice: "ask-before-retry", reason: "effect-unknown" },
              evidence: [
                { seq: seq - 3, event: "span-started", tool: "bash" },
                { seq: seq - 1, event: "crashed" },
              ],
              sentence: "The process vanished while the tool bash ran.",
              advice: "Ask before it is tried again: bash may have changed something.",
            },
          },
    sentences:
      made.status === "crashed"
        ? {
            ending: "The process vanished while the tool bash ran, after 14 minutes.",
            advice: "Ask before it is tried again: bash may have changed something.",
          }
        : { ending: "Completed.", advice: null },
    crash:
      made.status === "crashed"
        ? { reason: "process vanished", open, lastEvent: { seq: seq - 2, time: START + spans[0].end, type: "span-started" } }
        : null,
    lost: made.lost,
    counts: {
      spans: spans.length,
      generations: generations.length,
      tools: tools.length,
      errors: spans.filter((span) => span.status === 1).length,
      interrupted: open.length,
      events: seq - 1,
    },
    byModel: [
      {
        model: "claude-sonnet-4",
        calls: generations.length,
        errors: 0,
        tokens,
        cost: sum(generations, (span) => span.cost),
        duration: sum(generations, (span) => span.end - span.start),
      },
    ],
    byTool,
    errors: spans
      .flatMap((span, index) => (span.status === 1 ? [{ span: index, name: span.name, message: span.error ?? "" }] : []))
      .slice(0, 100),
    loops: tools.length > 5 ? [{ tool: "bash", input: '{"command":"make test"}', count: 4, spans: [3, 4, 5] }] : [],
    files: [...new Set(tools.map((span) => span.input?.file_path).filter(Boolean))].map((path) => ({
      path,
      reads: 1,
      writes: path.endsWith("0.rs") ? 1 : 0,
      spans: [2],
    })),
    commands: spans.flatMap((span, index) =>
      span.input?.command ? [{ command: span.input.command, status: span.status, span: index }] : [],
    ),
    overTime: {
      t0: START,
      step,
      cost: buckets.map((b) => b.cost),
      input: buckets.map((b) => b.input),
      output: buckets.map((b) => b.output),
    },
    logEntries: log.length,
    chatMessages: chat.length,
    criticalPath: spans
      .map((_, index) => index)
      .filter((index) => index % 3 !== 2)
      .slice(0, 40),
    gaps: gapsOf(spans),
    chunks: {
      skeleton: chunks(spans, SIZES.skeleton),
      rows: chunks(spans, SIZES.rows),
      chat: chunks(chat, SIZES.chat),
      log: chunks(log, SIZES.log),
    },
    sizes: SIZES,
  };
  const detail = (index) => {
    const span = spans[index];
    const around = span.parent < 0 ? [index] : children[span.parent];
    const at = around.indexOf(index);
    return {
      index,
      parent: span.parent,
      children: children[index].slice(0, 1000),
      siblings: { previous: around[at - 1] ?? null, next: around[at + 1] ?? null },
      span: {
        spanId: `span-${index}`,
        parentSpanId: span.parent < 0 ? null : `span-${span.parent}`,
        name: span.name,
        kind: ["session", "generation", "tool", "text"][span.kind],
        startTime: START + span.start,
        ...(span.status === 3 ? {} : { endTime: START + span.end }),
        status: span.status === 0 || span.status === 3 ? "ok" : "error",
        ...(span.status === 2 ? { interrupted: true, statusMessage: "interrupted: process vanished" } : {}),
        ...(span.error ? { statusMessage: span.error } : {}),
        ...(span.model ? { model: { modelId: span.model } } : {}),
        ...(span.tokens ? { tokens: { ...span.tokens, total: sum(Object.values(span.tokens), (value) => value) } } : {}),
        ...(span.cost === undefined ? {} : { cost: span.cost }),
        ...(span.input === undefined ? {} : { input: span.input }),
        ...(span.output === undefined ? {} : { output: span.output }),
        attributes: { "agent.turn": index, nested: { a: [1, 2, 3] } },
      },
    };
  };
  return { summary, spans, log, chat, row, detail };
}

function gapsOf(spans) {
  const busy = spans.filter((span) => span.kind === 1 || span.kind === 2).sort((a, b) => a.start - b.start);
  const found = [];
  let end = busy[0]?.start ?? 0;
  for (const span of busy) {
    if (span.start - end > 1000) found.push({ from: START + end, to: START + span.start });
    end = Math.max(end, span.end);
  }
  return found.slice(0, 50);
}

const chunks = (list, size) => Math.ceil(list.length / size);
const preview = (value) =>
  value === undefined ? "" : (typeof value === "string" ? value : JSON.stringify(value)).replace(/\s+/g, " ").slice(0, 200);

/** Serves what `made` holds; `send` tells the pages that look at it that something has changed. */
export async function serve(made, port = 0) {
  const held = new Map(made.map((each) => [each.id, { made: each, docs: documents(each), version: 1 }]));
  const listeners = new Set();
  const dist = new URL("../../dist/", import.meta.url);
  const types = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8" };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://here");
    const path = url.pathname.replace(/^\/token\//, "");
    const json = (value) =>
      response.writeHead(200, { "content-type": "application/json", "content-security-policy": POLICY }).end(JSON.stringify(value));
    if (path === "api/meta") return json({ version: "0", mode: "served", store: "/home/me/agent.store" });
    if (path === "api/sessions") return json({ sessions: [...held.values()].map(({ made: each, docs }) => rowOf(each, docs)) });
    const session = /^api\/s\/~([^/]+)\/([a-z]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path);
    if (path === "api/live" || session?.[2] === "live") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": here\n\n");
      const listener = { id: session === null ? null : decodeURIComponent(session[1]), write: (text) => response.write(text) };
      listeners.add(listener);
      request.on("close", () => listeners.delete(listener));
      return undefined;
    }
    if (session !== null) {
      const entry = held.get(decodeURIComponent(session[1]));
      const at = Number(session[3]);
      if (entry === undefined) return response.writeHead(404).end('{"error":"no such session"}');
      const { summary, spans, log, chat, row, detail } = entry.docs;
      const cut = (list, size) => list.slice(at * size, (at + 1) * size);
      switch (session[2]) {
        case "summary":
          return json({ ...summary, version: entry.version });
        case "skeleton": {
          const part = cut(spans, SIZES.skeleton);
          return json({
            from: at * SIZES.skeleton,
            parent: part.map((s) => s.parent),
            start: part.map((s) => s.start),
            end: part.map((s) => (s.status === 3 ? -1 : s.end)),
            kind: part.map((s) => s.kind),
            status: part.map((s) => s.status),
          });
        }
        case "rows":
          return json({ from: at * SIZES.rows, rows: cut(spans, SIZES.rows).map((span, offset) => row(span, at * SIZES.rows + offset)) });
        case "span":
          return json(detail(at));
        case "chat":
          return json({ from: at * SIZES.chat, messages: cut(chat, SIZES.chat) });
        case "log":
          return json({ from: at * SIZES.log, entries: cut(log, SIZES.log) });
        case "event":
          return json({ ...log.find((event) => event.seq === at), raw: true });
        case "find": {
          const [text, type, span] = ["q", "type", "span"].map((name) => url.searchParams.get(name) ?? "");
          const found = log.flatMap((entry, place) =>
            (type === "" || (entry.gap ? "gap" : entry.type) === type) &&
            (span === "" || entry.span === Number(span)) &&
            JSON.stringify(entry).toLowerCase().includes(text.toLowerCase())
              ? [place]
              : [],
          );
          return json({ found: found.filter((place) => place >= Number(url.searchParams.get("from"))), to: log.length });
        }
        case "search": {
          const wanted = url.searchParams.get("q").toLowerCase();
          const hits = spans.flatMap((span, index) =>
            ["name", "input", "output"].flatMap((field) => {
              const text = preview(span[field]);
              const place = text.toLowerCase().indexOf(wanted);
              return place < 0
                ? []
                : [
                    {
                      span: index,
                      field,
                      before: text.slice(Math.max(0, place - 40), place),
                      match: text.slice(place, place + wanted.length),
                      after: text.slice(place + wanted.length, place + 60),
                    },
                  ];
            }),
          );
          return json({ hits: hits.slice(0, 500), more: hits.length > 500 });
        }
        default:
          return response.writeHead(404).end();
      }
    }
    const file = path === "" ? "index.html" : path;
    try {
      const content = await readFile(new URL(file, dist));
      response.writeHead(200, { "content-type": types[/\.[a-z]+$/.exec(file)[0]], "content-security-policy": POLICY }).end(content);
    } catch {
      response.writeHead(404).end();
    }
    return undefined;
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/token/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
    /** Puts a new state of a session in place of the old one and tells the pages which spans are new or different. */
    change(next, changed, writer = "alive") {
      const entry = { made: next, docs: documents(next), version: (held.get(next.id)?.version ?? 0) + 1 };
      held.set(next.id, entry);
      const { spans, log, chat, summary } = entry.docs;
      const data = {
        version: entry.version,
        status: summary.status,
        spans: spans.length,
        logEntries: log.length,
        chatMessages: chat.length,
        writer,
        skeleton: changed.map((index) => [
          index,
          spans[index].parent,
          spans[index].start,
          spans[index].status === 3 ? -1 : spans[index].end,
          spans[index].kind,
          spans[index].status,
        ]),
      };
      for (const listener of listeners) {
        listener.write(
          listener.id === null
            ? `event: sessions\ndata: ${JSON.stringify({ changed: [rowOf(next, entry.docs)], gone: [] })}\n\n`
            : listener.id === next.id
              ? `event: changed\ndata: ${JSON.stringify(data)}\n\n`
              : "",
        );
      }
    },
  };
}

function rowOf(made, { summary }) {
  return {
    id: made.id,
    title: made.title,
    status: made.status,
    agent: made.agent,
    models: ["claude-sonnet-4"],
    startedAt: START,
    endedAt: summary.endedAt,
    duration: summary.summary.duration,
    cost: summary.summary.totalCost,
    tokens: summary.summary.tokens,
    spans: summary.counts.spans,
    errors: summary.counts.errors,
    cause: made.status === "crashed" ? "crash: vanished" : null,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const big = madeUp({ id: "hundred thousand", turns: 33_000, status: "completed" });
  const { url } = await serve(
    [madeUp(), { ...madeUp({ id: "done", turns: 12, status: "completed" }), title: "Write the changelog" }, big],
    Number(process.argv[2] ?? 0),
  );
  console.log(url);
}
