// What was asked, what happened, how it ended and why, and what it cost.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { SessionSummary } from "../api";
import { duration, money, number, plural, shortNumber, totalTokens } from "../format";
import { Markdown } from "../markdown";
import { Card } from "../parts/card";
import { Chart } from "../parts/chart";
import { stateName } from "../parts/status";
import { SpanLink } from "../parts/tools";
import type { Session } from "../session";
import { Ending } from "./ending";

const FIRST = 8;

export function Summary({ session, summary }: { session: Session; summary: SessionSummary }) {
  const { counts } = summary;
  const { tokens } = summary.summary;
  const long = session.status === "running" && session.writer === "alive" ? session.now() : summary.summary.duration;
  return (
    <div class="summary" tabIndex={0} role="region" aria-label="Summary">
      <section class="tiles" aria-label="Figures">
        <Tile name="Duration" value={duration(long)} id="duration" raw={summary.summary.duration} />
        <Tile
          name="Cost"
          value={costOf(summary)}
          id="cost"
          raw={summary.summary.totalCost}
          note={costNote(summary)}
          hint={isEstimated(summary) ? "from its tokens, by the list of tracewal prices" : ""}
        />
        <Tile
          name="Tokens"
          value={shortNumber(summary.summary.totalTokens)}
          id="tokens"
          raw={summary.summary.totalTokens}
          note={[
            `${shortNumber(tokens.input)} in`,
            `${shortNumber(tokens.output)} out`,
            ...(tokens.reasoning > 0 ? [`${shortNumber(tokens.reasoning)} reasoning`] : []),
            `${shortNumber(tokens.cacheRead + tokens.cacheWrite)} cache`,
          ].join(" · ")}
        />
        <Tile name="Model calls" value={number(counts.generations)} id="generations" raw={counts.generations} />
        <Tile name="Tool calls" value={number(counts.tools)} id="tools" raw={counts.tools} />
        <Tile name="Errors" value={number(counts.errors)} id="errors" raw={counts.errors} tone={counts.errors > 0 ? "error" : ""} />
        <Tile
          name="Interrupted"
          value={number(counts.interrupted)}
          id="interrupted"
          raw={counts.interrupted}
          tone={counts.interrupted > 0 ? "interrupted" : ""}
        />
        <Tile name="Spans" value={number(counts.spans)} id="spans" raw={counts.spans} note={plural(counts.events, "event")} />
      </section>
      <div class="columns">
        <div class="stack">
          <Card title="What was asked" class_="asked">
            {summary.prompt ? (
              <Folded text={summary.prompt} cut={summary.promptCut === true} />
            ) : (
              <p class="muted">No prompt was recorded.</p>
            )}
            <p class="muted small-text where">
              {[summary.agent, summary.metadata?.version, summary.metadata?.environment, summary.metadata?.userId]
                .filter(Boolean)
                .join(" · ")}
              {summary.directory && <span class="mono break"> {summary.directory}</span>}
            </p>
          </Card>
          {summary.answer && (
            <Card title={session.status === "running" ? "Said last" : "The last answer"} class_="answer">
              <Folded text={summary.answer} cut={summary.answerCut === true} />
            </Card>
          )}
        </div>
        <Ending summary={summary} />
      </div>
      <OverTime summary={summary} />
      <div class="columns">
        <ByModel summary={summary} />
        <ByTool summary={summary} />
      </div>
      <Errors summary={summary} />
      <Loops summary={summary} />
      <div class="columns">
        <Files summary={summary} />
        <Commands summary={summary} />
      </div>
    </div>
  );
}

/** The session does not say itself what it cost, and somebody knows a price. */
export function isEstimated(summary: SessionSummary): boolean {
  return typeof summary.estimate?.dollars === "number";
}

/** Tokens that cost nothing were not free: nobody wrote down what they cost. */
export function costOf(summary: SessionSummary): string {
  const { totalCost, totalTokens } = summary.summary;
  const dollars = summary.estimate?.dollars ?? null;
  if (dollars !== null) {
    return money(dollars, true);
  }
  return totalCost === 0 && totalTokens > 0 ? "–" : money(totalCost);
}

function costNote(summary: SessionSummary): string {
  const { dollars = null, unpriced = [] } = summary.estimate ?? {};
  const unknown = unpriced.length > 0 ? `no price for ${unpriced.slice(0, 3).join(", ")}${unpriced.length > 3 ? " …" : ""}` : "";
  if (dollars !== null) {
    return unknown === "" ? "estimated" : `estimated; ${unknown}`;
  }
  return unknown !== "" ? unknown : costOf(summary) === "–" ? "none recorded" : "";
}

function Tile({
  name,
  value,
  id,
  raw,
  note = "",
  hint = "",
  tone = "",
}: {
  name: string;
  value: string;
  id: string;
  raw: number;
  note?: string;
  hint?: string;
  tone?: string;
}) {
  return (
    <div class={`tile ${tone}`}>
      <span class="tile-name">{name}</span>
      <span class="tile-value" data-figure={id} data-raw={raw} title={hint || number(raw)}>
        {value}
      </span>
      {note !== "" && <span class="tile-note muted">{note}</span>}
    </div>
  );
}

const FOLDED_CHARACTERS = 1200;

function Folded({ text, cut }: { text: string; cut: boolean }) {
  const [all, setAll] = useState(false);
  const long = text.length > FOLDED_CHARACTERS;
  return (
    <>
      <Markdown text={all || !long ? text : `${text.slice(0, FOLDED_CHARACTERS)} …`} />
      {long && (
        <button type="button" class="small" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Less" : "All of it"}
        </button>
      )}
      {cut && (all || !long) && (
        <p class="muted small-text">
          The rest is in the span. <SpanLink span={0}>Show it</SpanLink>
        </p>
      )}
    </>
  );
}

function OverTime({ summary }: { summary: SessionSummary }) {
  const data = summary.overTime;
  const shown = useMemo(() => {
    if (!data || data.cost.length === 0) {
      return null;
    }
    const times = [0, ...data.cost.map((_, place) => data.t0 - summary.startedAt + (place + 1) * data.step)];
    return { times, cost: sums(data.cost), input: sums(data.input), output: sums(data.output) };
  }, [data]);
  const cost = useMemo(() => (shown === null ? [] : [{ label: "cost", colour: "series-1", values: shown.cost }]), [shown]);
  const tokens = useMemo(
    () =>
      shown === null
        ? []
        : [
            { label: "input with cache", colour: "series-2", values: shown.input },
            { label: "output with reasoning", colour: "series-3", values: shown.output },
          ],
    [shown],
  );
  if (shown === null || summary.summary.totalTokens === 0) {
    return null;
  }
  return (
    <div class="columns charts">
      {summary.summary.totalCost > 0 && (
        <Card title="Cost over time">
          <Chart
            title="Cost, summed up"
            times={shown.times}
            lines={cost}
            format={(value) => `$${value < 0.1 ? value.toFixed(3) : value.toFixed(2)}`}
          />
        </Card>
      )}
      <Card title="Tokens over time">
        <Chart title="Tokens, summed up" times={shown.times} lines={tokens} format={shortNumber} />
      </Card>
    </div>
  );
}

function sums(values: number[]): number[] {
  let sum = 0;
  return [0, ...values.map((value) => (sum += value))];
}

function ByModel({ summary }: { summary: SessionSummary }) {
  const most = Math.max(...summary.byModel.map((row) => totalTokens(row.tokens) ?? 0), 1);
  const reasons = summary.byModel.some((row) => (row.tokens.reasoning ?? 0) > 0);
  if (summary.byModel.length === 0) {
    return null;
  }
  return (
    <Card title="By model">
      <Table
        label="By model"
        head={["Model", "Calls", "Errors", "Input", "Output", ...(reasons ? ["Reasoning"] : []), "Cache", "Time", "Cost"]}
      >
        {summary.byModel.map((row) => (
          <tr key={row.model}>
            <th scope="row">
              <Meter part={(totalTokens(row.tokens) ?? 0) / most} tone="kind-generation">
                {row.model || "(not named)"}
              </Meter>
            </th>
            <td>{number(row.calls)}</td>
            <td class={row.errors > 0 ? "error-text" : ""}>{number(row.errors)}</td>
            <td title={number(row.tokens.input ?? 0)}>{shortNumber(row.tokens.input ?? 0)}</td>
            <td title={number(row.tokens.output ?? 0)}>{shortNumber(row.tokens.output ?? 0)}</td>
            {reasons && <td title={number(row.tokens.reasoning ?? 0)}>{shortNumber(row.tokens.reasoning ?? 0)}</td>}
            <td title={`${number(row.tokens.cacheRead ?? 0)} read, ${number(row.tokens.cacheWrite ?? 0)} written`}>
              {shortNumber((row.tokens.cacheRead ?? 0) + (row.tokens.cacheWrite ?? 0))}
            </td>
            <td title={milliseconds(row.duration)}>{duration(row.duration)}</td>
            <td>{costOfModel(row)}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function milliseconds(value: number): string {
  return `${number(Math.round(value))} ms`;
}

function costOfModel(row: SessionSummary["byModel"][number]) {
  if (row.costEstimated !== null && row.costEstimated !== undefined) {
    return <span title="estimated">{money(row.costEstimated, true)}</span>;
  }
  return row.cost === 0 ? "–" : money(row.cost);
}

function ByTool({ summary }: { summary: SessionSummary }) {
  const most = Math.max(...summary.byTool.map((row) => row.calls), 1);
  const [all, setAll] = useState(false);
  if (summary.byTool.length === 0) {
    return null;
  }
  return (
    <Card title="By tool">
      <Table label="By tool" head={["Tool", "Calls", "Errors", "Interrupted", "Time"]}>
        {summary.byTool.slice(0, all ? undefined : FIRST).map((row) => (
          <tr key={row.tool}>
            <th scope="row">
              <Meter part={row.calls / most} tone="kind-tool">
                {row.tool || "(not named)"}
              </Meter>
            </th>
            <td>{number(row.calls)}</td>
            <td class={row.errors > 0 ? "error-text" : ""}>{number(row.errors)}</td>
            <td class={row.interrupted > 0 ? "interrupted-text" : ""}>{number(row.interrupted)}</td>
            <td title={milliseconds(row.duration)}>{duration(row.duration)}</td>
          </tr>
        ))}
      </Table>
      <More total={summary.byTool.length} held={summary.byTool.length} all={all} onAll={() => setAll(!all)} />
    </Card>
  );
}

function Errors({ summary }: { summary: SessionSummary }) {
  const [all, setAll] = useState(false);
  if (summary.errors.length === 0) {
    return null;
  }
  return (
    <Card title={`Errors (${number(summary.counts.errors)})`} class_="errors">
      <ul class="rows">
        {summary.errors.slice(0, all ? undefined : FIRST).map((error, place) => (
          <li key={place}>
            <SpanLink span={error.span}>{error.name || "(no name)"}</SpanLink> <span class="mono two-lines">{error.message}</span>
          </li>
        ))}
      </ul>
      <More total={summary.counts.errors} held={summary.errors.length} all={all} onAll={() => setAll(!all)} />
    </Card>
  );
}

function Loops({ summary }: { summary: SessionSummary }) {
  if (summary.loops.length === 0) {
    return null;
  }
  return (
    <Card title={`Loops (${number(summary.loops.length)})`} class_="loops">
      <ul class="rows">
        {summary.loops.slice(0, 50).map((loop, place) => (
          <li key={place}>
            <SpanLink span={loop.spans[0] ?? 0}>{loop.tool}</SpanLink> <b>{number(loop.count)} times</b> among ten calls with the same input{" "}
            <span class="mono two-lines">{loop.input}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Files({ summary }: { summary: SessionSummary }) {
  const [all, setAll] = useState(false);
  const total = summary.filesTotal ?? summary.files.length;
  if (total === 0) {
    return null;
  }
  return (
    <Card title={`Files (${number(total)})`}>
      <Table label="Files" head={["File", "Reads", "Writes"]}>
        {summary.files.slice(0, all ? undefined : FIRST).map((file) => (
          <tr key={file.path}>
            <th scope="row" class="mono break">
              <SpanLink span={file.spans[0] ?? 0}>{file.path}</SpanLink>
            </th>
            <td>{number(file.reads)}</td>
            <td class={file.writes > 0 ? "strong" : ""}>{number(file.writes)}</td>
          </tr>
        ))}
      </Table>
      <More total={total} held={summary.files.length} all={all} onAll={() => setAll(!all)} />
    </Card>
  );
}

function Commands({ summary }: { summary: SessionSummary }) {
  const [all, setAll] = useState(false);
  const total = summary.commandsTotal ?? summary.commands.length;
  if (total === 0) {
    return null;
  }
  return (
    <Card title={`Commands (${number(total)})`}>
      <ul class="rows commands">
        {summary.commands.slice(0, all ? undefined : FIRST).map((command, place) => (
          <li key={place} class={`is-${stateName(command.status)}`}>
            <SpanLink span={command.span}>
              <code class="two-lines">{command.command}</code>
            </SpanLink>
            {command.status !== 0 && <span class={`${stateName(command.status)}-text`}> {stateName(command.status)}</span>}
          </li>
        ))}
      </ul>
      <More total={total} held={summary.commands.length} all={all} onAll={() => setAll(!all)} />
    </Card>
  );
}

function More({ total, held, all, onAll }: { total: number; held: number; all: boolean; onAll: () => void }) {
  if (held <= FIRST) {
    return null;
  }
  return (
    <p>
      <button type="button" class="small" aria-expanded={all} onClick={onAll}>
        {all ? "Fewer" : `All ${number(held)}`}
      </button>
      {all && total > held && (
        <span class="muted">
          {" "}
          the first {number(held)} of {plural(total, "entry", "entries")}
        </span>
      )}
    </p>
  );
}

function Table({ label, head, children }: { label: string; head: string[]; children: ComponentChildren }) {
  return (
    <div class="wide" tabIndex={0} role="group" aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function Meter({ part, tone, children }: { part: number; tone: string; children: ComponentChildren }) {
  return (
    <span class="meter-name">
      {children}
      <span class="meter" aria-hidden="true">
        <i class={tone} style={{ width: `${Math.max(1, part * 100)}%` }} />
      </span>
    </span>
  );
}
