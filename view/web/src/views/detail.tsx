// One span, whole: beside the rows where there is room, over them where there is not.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { SpanDetail } from "../api";
import { useChanges } from "../changes";
import { editsOf } from "../edits";
import { bytes, clockMs, dateTime, duration, money, number, plural } from "../format";
import { usePage } from "../page";
import { Edits } from "../parts/diff";
import { StatusBadge } from "../parts/status";
import { CopyButton, SpanLink } from "../parts/tools";
import { Value } from "../parts/value";
import { routeHash } from "../route";
import type { Session } from "../session";
import { useSpan } from "./span";

const CHILDREN_SHOWN = 30;

export function Detail({ session, index }: { session: Session; index: number }) {
  useChanges(session.rows);
  const { go, route } = usePage();
  const { detail, error } = useSpan(session, index);
  const close = () => go({ span: null }, true);
  return (
    <section class="detail" aria-label="Span">
      <div class="detail-head">
        <h2 class="ellipsis">{detail === undefined ? (session.row(index)?.name ?? `Span ${index}`) : detail.span.name || "(no name)"}</h2>
        <CopyButton
          small
          label="a link to this span"
          text={() => `${location.href.split("#")[0]}${routeHash({ ...route, span: index })}`}
        />
        <button type="button" class="quiet" aria-label="Close the span" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </div>
      {error !== null && (
        <p class="error-text" role="alert">
          {error}
        </p>
      )}
      {detail !== undefined && <Body session={session} detail={detail} />}
      {detail === undefined && error === null && (
        <p class="empty" role="status">
          Reading …
        </p>
      )}
    </section>
  );
}

function Body({ session, detail }: { session: Session; detail: SpanDetail }) {
  const { span } = detail;
  const status = span.interrupted
    ? "interrupted"
    : span.endTime === undefined && span.kind !== "session" && session.summary?.status === "running"
      ? "running"
      : span.status;
  const edits = span.kind === "tool" ? editsOf(span.input) : [];
  const tokens = span.tokens;
  return (
    <div class="detail-body" tabIndex={0} role="region" aria-label={`About ${span.name || "this span"}`}>
      <div class="chips">
        <StatusBadge status={status} />
        <span class="chip">{span.kind}</span>
        {span.model?.modelId !== undefined && <span class="chip">{span.model.modelId}</span>}
        {span.finishReason !== undefined && (
          <span class="chip" title="Finish reason">
            {span.finishReason}
          </span>
        )}
        {span.cost !== undefined && (
          <span class="chip" title="Cost">
            {money(span.cost)}
          </span>
        )}
      </div>
      {span.statusMessage !== undefined && <p class={`message ${span.interrupted ? "interrupted" : span.status}`}>{span.statusMessage}</p>}
      <dl class="facts-grid">
        <div>
          <dt>Started</dt>
          <dd title={dateTime(span.startTime)}>
            {clockMs(span.startTime)}
            {session.summary !== null && <span class="muted"> +{duration(span.startTime - session.summary.startedAt)}</span>}
          </dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>{span.endTime === undefined ? "open" : duration(span.endTime - span.startTime)}</dd>
        </div>
        {span.tool?.durationMs !== undefined && (
          <div>
            <dt>Reported by the tool</dt>
            <dd>{duration(span.tool.durationMs)}</dd>
          </div>
        )}
        {tokens !== undefined && (
          <div>
            <dt>Tokens</dt>
            <dd>
              {number(tokens.total)}{" "}
              <span class="muted">
                ({number(tokens.input)} in, {number(tokens.output)} out{tokens.reasoning > 0 && `, ${number(tokens.reasoning)} reasoning`}
                {tokens.cacheRead > 0 && `, ${number(tokens.cacheRead)} cache read`}
                {tokens.cacheWrite > 0 && `, ${number(tokens.cacheWrite)} cache written`})
              </span>
            </dd>
          </div>
        )}
        <div>
          <dt>Span id</dt>
          <dd class="mono break">{span.spanId}</dd>
        </div>
      </dl>
      <Neighbours session={session} detail={detail} />
      {edits.length > 0 && (
        <Section title="Change" copy={null}>
          <Edits edits={edits} />
        </Section>
      )}
      <Field
        session={session}
        detail={detail}
        field="input"
        title={edits.length > 0 ? "Input, as sent" : "Input"}
        markdown={span.kind === "session" || span.kind === "user-message"}
        folded={edits.length > 0}
      />
      <Field session={session} detail={detail} field="output" title="Output" markdown={span.kind !== "tool"} />
      <Field session={session} detail={detail} field="attributes" title="Attributes" markdown={false} />
      <p class="buttons">
        <CopyButton label="the span as JSON" text={() => JSON.stringify(span, null, 2)} />
      </p>
    </div>
  );
}

function Neighbours({ session, detail }: { session: Session; detail: SpanDetail }) {
  const { parent, children, siblings } = detail;
  const name = (span: number) => session.row(span)?.name || `span ${span}`;
  return (
    <nav class="neighbours" aria-label="Spans around this one">
      {parent >= 0 && (
        <span>
          in <SpanLink span={parent}>{name(parent)}</SpanLink>
        </span>
      )}
      {siblings?.previous !== null && siblings?.previous !== undefined && (
        <span>
          after <SpanLink span={siblings.previous}>{name(siblings.previous)}</SpanLink>
        </span>
      )}
      {siblings?.next !== null && siblings?.next !== undefined && (
        <span>
          before <SpanLink span={siblings.next}>{name(siblings.next)}</SpanLink>
        </span>
      )}
      {children.length > 0 && (
        <details>
          <summary>
            {plural(children.length, "child", "children")}
            {children.length >= 1000 && " or more"}
          </summary>
          {children.slice(0, CHILDREN_SHOWN).map((child, place) => (
            <span key={child}>
              {place > 0 && ", "}
              <SpanLink span={child}>{name(child)}</SpanLink>
            </span>
          ))}
          {children.length > CHILDREN_SHOWN && " …"}
        </details>
      )}
    </nav>
  );
}

type FieldName = "input" | "output" | "attributes";

function Field({
  session,
  detail,
  field,
  title,
  markdown,
  folded = false,
}: {
  session: Session;
  detail: SpanDetail;
  field: FieldName;
  title: string;
  markdown: boolean;
  folded?: boolean;
}) {
  const { transport } = usePage();
  const value = detail.span[field];
  const cut = (detail.cut ?? []).filter((each) => each.field === field)[0];
  if (value === undefined) {
    return null;
  }
  const text = () => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  const whole = () => (cut === undefined || transport.mode === "file" ? text() : session.wholeText(detail.index, field));
  return (
    <Section title={title} copy={<CopyButton small label={`the ${field}`} text={whole} />} folded={folded}>
      {cut !== undefined && (
        <p class="muted small-text">
          Shown in part: {bytes(cut.bytes)} in all.{" "}
          {transport.mode === "served" && (
            <a href={session.textAddress(detail.index, field)} target="_blank" rel="noreferrer">
              All of it
            </a>
          )}
        </p>
      )}
      <Value value={value} markdown={markdown} />
    </Section>
  );
}

function Section({
  title,
  copy,
  children,
  folded = false,
}: {
  title: string;
  copy: ComponentChildren;
  children: ComponentChildren;
  folded?: boolean;
}) {
  const [open, setOpen] = useState(!folded);
  useEffect(() => setOpen(!folded), [folded]);
  return (
    <section class="detail-section">
      <div class="section-head">
        <h3>
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "▾" : "▸"} {title}
          </button>
        </h3>
        {copy}
      </div>
      {open && children}
    </section>
  );
}
