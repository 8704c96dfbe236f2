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
    })),
    byTool: grouped(tools, (span) => span.name).map(([tool, list]) => ({ tool, calls: list.length, errors: list.filter(failed).length })),
    commands: tools.filter(
      (span) => typeof span.input?.command === "string" || Array.isArray(span.input?.command) || typeof span.input?.cmd === "string",
    ).length,
  };
}

function finish(span, event, time) {
  if (!span.ended) Object.assign(span, { ended: true, end: time, status: event.status ?? "ok" });
  for (const name of ["tokens", "cost"]) if (event[name] !== undefined) span[name] = event[name];
}

function grouped(list, key) {
  const groups = new Map();
  for (const each of list) groups.set(key(each), [...(groups.get(key(each)) ?? []), each]);
  return [...groups];
}
