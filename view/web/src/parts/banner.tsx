// How it ended, when that was badly: above every tab, with what was open and what is lost.
import type { Lost, SessionSummary } from "../api";
import { clockMs, number, plural } from "../format";
import type { Session } from "../session";
import { EventLink, SpanLink } from "./tools";

const SHOWN = 12;

export function Banner({ session, wide }: { session: Session; wide: boolean }) {
  const { summary } = session;
  if (summary === null) {
    return null;
  }
  const lost = summary.lost ?? [];
  const dead = session.writer === "dead" && session.status === "running";
  if (session.status !== "crashed" && !dead) {
    return lost.length === 0 ? null : (
      <section class="banner lost" role="alert" aria-label="Lost events">
        <strong>{lostSentence(lost)}</strong> <LostList lost={lost} open={wide} />
      </section>
    );
  }
  const crash = summary.crash ?? null;
  const open = crash?.open ?? [];
  const more = <Particulars session={session} summary={summary} open={open} lost={lost} wide={wide} />;
  return (
    <section class={wide ? "banner crash" : "banner crash compact"} role="alert" aria-label="Crash">
      <div class="banner-head">
        <span class="bolt" aria-hidden="true">
          ⚡
        </span>
        <strong>{crash === null ? "The process that wrote this is gone" : `Crashed: ${crash.reason}`}</strong>
        {crash?.signal && crash.signal !== crash.reason && <span class="chip">{crash.signal}</span>}
        {summary.unrecorded && (
          <span class="chip" title="The store cannot be written">
            not recorded in the log yet
          </span>
        )}
        {!wide && (
          <span class="brief">
            {open.length > 0 && `${number(crash?.openTotal ?? open.length)} open`}
            {lost.length > 0 && ` · ${plural(lostCount(lost), "event")} lost`}
          </span>
        )}
      </div>
      {wide ? (
        more
      ) : (
        <details>
          <summary>What was open, what is lost</summary>
          {more}
        </details>
      )}
    </section>
  );
}

function Particulars({
  session,
  summary,
  open,
  lost,
  wide,
}: {
  session: Session;
  summary: SessionSummary;
  open: number[];
  lost: Lost[];
  wide: boolean;
}) {
  const { crash, sentences } = summary;
  const exception = crash?.exception ?? null;
  const total = crash?.openTotal ?? open.length;
  return (
    <div class="particulars">
      {sentences?.ending && <p class="sentence">{sentences.ending}</p>}
      {exception !== null && (
        <details class="exception" open={wide}>
          <summary>
            <code>{exception.type}</code> {exception.message}
          </summary>
          {exception.stack && <pre tabIndex={0}>{exception.stack}</pre>}
        </details>
      )}
      <p class="facts">
        {crash?.lastEvent && (
          <span>
            Last event:{" "}
            <b class="mono" data-figure="last-event">
              <EventLink seq={crash.lastEvent.seq} /> {crash.lastEvent.type}
            </b>{" "}
            at {clockMs(crash.lastEvent.time)}.
          </span>
        )}{" "}
        <span>
          {open.length > 0
            ? `${plural(total, "span was", "spans were")} open: `
            : summary.counts.interrupted > 0
              ? `${plural(summary.counts.interrupted, "span was", "spans were")} interrupted.`
              : "No span was open."}
          <OpenSpans session={session} open={open} total={total} />
        </span>{" "}
        <span>{lost.length === 0 ? "No event is missing from the log." : lostSentence(lost)}</span>
      </p>
      {lost.length > 0 && <LostList lost={lost} open={wide} />}
      {wide && sentences?.advice && (
        <p class="advice">
          <b>What to do:</b> {sentences.advice}
        </p>
      )}
    </div>
  );
}

function OpenSpans({ session, open, total }: { session: Session; open: number[]; total: number }) {
  return (
    <>
      {open.slice(0, SHOWN).map((span, place) => (
        <span key={span}>
          {place > 0 && ", "}
          <SpanLink span={span}>{session.row(span)?.name || `span ${span}`}</SpanLink>
        </span>
      ))}
      {total > SHOWN && ` and ${number(total - SHOWN)} more`}
      {open.length > 0 && "."}
    </>
  );
}

export function lostCount(lost: Lost[]): number {
  return lost.reduce((sum, { first, last }) => sum + (first && last ? last - first + 1 : 0), 0);
}

function lostSentence(lost: Lost[]): string {
  const count = lostCount(lost);
  return count === 0
    ? `${plural(lost.length, "place")} of the log ${lost.length === 1 ? "is" : "are"} damaged; no event is known to be missing.`
    : `${plural(count, "event")} ${count === 1 ? "is" : "are"} lost, in ${plural(lost.length, "place")}.`;
}

export function lostText({
  first,
  last,
  kind,
  where,
}: {
  first?: number | null;
  last?: number | null;
  kind: string;
  where: string;
}): string {
  const which =
    first && last
      ? first === last
        ? `event #${number(first)}`
        : `events #${number(first)} to #${number(last)}`
      : "no event is known to be missing";
  return `${which} (${kind}; ${where})`;
}

function LostList({ lost, open }: { lost: Lost[]; open: boolean }) {
  return (
    <details open={open}>
      <summary>What is lost</summary>
      <ul>
        {lost.slice(0, 50).map((each, place) => (
          <li key={place}>{lostText(each)}</li>
        ))}
      </ul>
      {lost.length > 50 && <p>and {number(lost.length - 50)} more places</p>}
    </details>
  );
}

export function endingTone(summary: SessionSummary): "good" | "bad" | "open" {
  return summary.status === "completed" ? "good" : summary.status === "running" ? "open" : "bad";
}
