// What the Summary has to say, counted from the log's events: written for this alone, and knows nothing of how the store counts.
const CLASSES = ["input", "output", "reasoning", "cacheRead", "cacheWrite"];

export function count(events) {
  const spans = new Map();
  const open = (event) => {
    if (!spans.has(event.spanId)) spans.set(event.spanId, { id: event.spanId, start: event.startTime ?? event.time, ended: false });
    return spans.get(event.spanId);
  };
  for (const event of events) {
    if (event.type === "span-started")
      Object.assign(open(event), { kind: event.kind, name: event.name, model: event.model, input: event.input, callId: event.callId });
    if (event.type === "span") {
      const span = open(event);
      Object.assign(span, { kind: event.kind, name: event.name, model: event.model, input: event.input });
      finish(span, event, event.endTime);
    }
    if (event.type === "span-ended") finish(open(event), event, event.time);
  }
  const all = [...spans.values()];
  const generations = all.filter((span) => span.kind === "generation");
  const tools = all.filter((span) => span.kind === "tool");
  const failed = (span) => span.status === "error";
  const tokensOf = (list) =>
    Object.fromEntries(CLASSES.map((name) => [name, list.reduce((sum, span) => sum + (span.tokens?.[name] ?? 0), 0)]));
  const costOf = (list) => list.reduce((sum, span) => sum + (span.cost ?? 0), 0);
  const tokens = tokensOf(all);
  return {
    generations: generations.length,
    tools: tools.length,
    errors: all.filter(failed).length,
    spans: all.length + 1,
    events: events.filter((event) => event.seq !== undefined).length,
    tokens: Object.values(tokens).reduce((sum, each) => sum + each, 0),
    classes: tokens,
    cost: costOf(all),
    byModel: grouped(generations, (span) => span.model?.modelId ?? "").map(([model, list]) => ({
      model,
      calls: list.length,
      errors: list.filter(failed).length,
      ...tokensOf(list),
      cost: costOf(list),
      time: timeOf(list),
    })),
    byTool: grouped(tools, (span) => span.name).map(([tool, list]) => ({
      tool,
      calls: list.length,
      errors: list.filter(failed).length,
      time: timeOf(list),
    })),
    duration: durationOf(events),
    failed: all.filter(failed).map((span) => span.name),
    commands: tools.map((span) => commandOf(span.input)).filter((command) => command !== null),
    files: filesOf(tools),
    loops: loopsOf(tools),
  };
}

function finish(span, event, time) {
  if (!span.ended) Object.assign(span, { ended: true, end: time, status: event.status ?? "ok", took: event.durationMs });
  for (const name of ["tokens", "cost"]) if (event[name] !== undefined) span[name] = event[name];
}

function grouped(list, key) {
  const groups = new Map();
  for (const each of list) groups.set(key(each), [...(groups.get(key(each)) ?? []), each]);
  return [...groups];
}

/** What the tools say that they took, else from start to end. */
const timeOf = (list) => list.reduce((sum, { took, start, end }) => sum + (took ?? Math.max(0, (end ?? start) - start)), 0);

/** From the first event to the ending, or to the last event where there is none. */
function durationOf(events) {
  const timed = events.filter((event) => event.time !== undefined);
  const last = timed.findLast((event) => event.type === "session-ended") ?? timed.at(-1);
  return Math.max(0, last.time - timed[0].time);
}

/** The command in a tool's input: a text, or the words of one; `sh -c` is not part of what was meant. */
function commandOf(input) {
  const command = input?.command ?? input?.cmd;
  if (!Array.isArray(command)) return typeof command === "string" ? command : null;
  return command.length === 3 && /sh$/.test(command[0]) && command[1].startsWith("-") ? command[2] : command.join(" ");
}

const READ = ["read"];
const WRITTEN = ["write", "edit", "multiedit", "notebookedit"];

/** Files by the tools that are known to read and write them, and by the headings of patches. */
function filesOf(tools) {
  const files = new Map();
  const use = (path, what) => {
    const file = files.get(path) ?? { path, reads: 0, writes: 0 };
    file[what] += 1;
    files.set(path, file);
  };
  for (const { name, input } of tools) {
    const path = input?.file_path ?? input?.notebook_path;
    const tool = name.toLowerCase();
    if (tool === "apply_patch") {
      const text = typeof input === "string" ? input : Object.values(input).find((value) => typeof value === "string");
      for (const [, named] of text.matchAll(/^\*\*\* (?:Update|Add|Delete) File: (.*)$/gm)) use(named, "writes");
    } else if (typeof path === "string") {
      if (READ.includes(tool)) use(path, "reads");
      else if (WRITTEN.includes(tool)) use(path, "writes");
      else throw new Error(`${name} has a path: does it read or write?`);
    }
  }
  return [...files.values()];
}

/** Three times or more the same call among any ten in a row: the most of each. */
function loopsOf(tools) {
  const calls = tools.map(({ name, input }) => JSON.stringify([name, input ?? null]));
  const most = new Map();
  calls.forEach((call, at) => {
    const count = calls.slice(Math.max(0, at - 9), at + 1).filter((other) => other === call).length;
    if (count >= 3) most.set(call, Math.max(count, most.get(call) ?? 0));
  });
  return [...most].map(([call, count]) => `${JSON.parse(call)[0]} ${count} times`);
}
