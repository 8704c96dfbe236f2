// Every event, in the order of the log.
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { isGap, type LogEntry, type LogFilter } from "../api";
import { brief } from "../brief";
import { useChanges } from "../changes";
import { clockMs, number } from "../format";
import { useKeys } from "../keys";
import { entryOf } from "../losses";
import { usePage } from "../page";
import { lostText } from "../parts/banner";
import { CopyButton, SpanLink } from "../parts/tools";
import type { Session } from "../session";
import { useVirtual } from "../virtual";
import { useAtEnd } from "./atend";
import { LogScan } from "./logscan";
import { useNarrow } from "./narrow";

/** Rows that leave the view are used again for those that come in. */
const POOL = 256;

const TYPES = [
  "session-started",
  "run-started",
  "run-ended",
  "metadata",
  "span-started",
  "span-text",
  "span-attributes",
  "span-ended",
  "span",
  "lifecycle-begun",
  "lifecycle-ended",
  "evidence",
  "note",
  "session-ended",
  "crashed",
  "malformed",
  "unknown",
];

export function Log({ session }: { session: Session }) {
  useChanges(session, session.log);
  const { route, go } = usePage();
  const [text, setText] = useState("");
  const [type, setType] = useState("");
  const [spanOnly, setSpanOnly] = useState(false);
  const openSeq = route.event ?? null;
  const setOpenSeq = (event: number | null) => go({ event }, true);
  const [cursor, setCursor] = useState(-1);
  const scroller = useRef<HTMLDivElement>(null);
  const filter = useRef<HTMLInputElement>(null);
  const narrow = useNarrow(760);
  const size = session.summary?.sizes.log ?? 256;
  const total = session.logEntries;
  const span = spanOnly ? route.span : null;

  const wanted = text.trim();
  const filtering = wanted !== "" || type !== "" || span !== null;
  const scan = useScan(session, total, filtering, { text: wanted, type, span });

  const count = scan === null ? total : scan.found.length;
  const at = (place: number) => (scan === null ? place : (scan.found[place] ?? 0));
  const entry = (place: number): LogEntry | undefined => {
    const index = at(place);
    const chunk = session.log.peek(Math.floor(index / size));
    return chunk?.entries[index - chunk.from];
  };
  const height = narrow ? 44 : 24;
  const slot = (place: number) => place % POOL;
  const virtual = useVirtual({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
    getItemKey: (place) => at(place),
  });
  useMemo(() => virtual.measure(), [height]);
  const { atEnd, toEnd } = useAtEnd(scroller, count, () => virtual.scrollToIndex(count - 1, { align: "end" }));

  // To the event in the address, when somebody was sent to it, and not from one row to the next.
  const shownSeq = useRef<number | null>(null);
  useEffect(() => {
    if (openSeq !== null && openSeq !== shownSeq.current && count > 0 && scan === null) {
      const place = Math.max(0, Math.min(count - 1, entryOf(openSeq, session.summary?.lost ?? [])));
      setCursor(place);
      virtual.scrollToIndex(place, { align: "center" });
    }
    shownSeq.current = openSeq;
  }, [openSeq, count > 0]);

  const move = (place: number) => {
    const next = Math.max(0, Math.min(count - 1, place));
    setCursor(next);
    virtual.scrollToIndex(next);
    const moved = entry(next);
    if (openSeq !== null && moved !== undefined && !isGap(moved) && moved.seq !== null) {
      shownSeq.current = moved.seq;
      setOpenSeq(moved.seq);
    }
  };
  const toggle = (shown: LogEntry | undefined) => {
    if (shown !== undefined && !isGap(shown) && shown.seq !== null) {
      const next = openSeq === shown.seq ? null : shown.seq;
      shownSeq.current = next;
      setOpenSeq(next);
    }
  };
  useKeys("Log", [
    { keys: ["ArrowDown", "j"], help: "next event", run: () => move(cursor + 1) },
    { keys: ["ArrowUp", "k"], help: "previous event", run: () => move(cursor - 1) },
    { keys: ["Enter"], help: "show the event as JSON", run: () => toggle(entry(cursor)) },
    { keys: ["F"], help: "filter the events", run: () => filter.current?.focus() },
    { keys: ["Home"], help: "the first event", run: () => move(0) },
    { keys: ["End"], help: "the last event", run: () => move(count - 1) },
    ...(openSeq === null ? [] : [{ keys: ["Escape"], help: "close the JSON", run: () => setOpenSeq(null) }]),
  ]);

  return (
    <div class={narrow ? "log narrow" : "log"}>
      <div class="toolbar" role="toolbar" aria-label="Events">
        <input
          ref={filter}
          type="search"
          placeholder="Filter events  ( F )"
          aria-label="Filter events by text"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              event.preventDefault();
              event.currentTarget.blur();
            }
          }}
        />
        <select aria-label="Type of event" value={type} onChange={(event) => setType(event.currentTarget.value)}>
          <option value="">all types</option>
          <option value="gap">lost events</option>
          {TYPES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        {route.span !== null && (
          <label class="check">
            <input type="checkbox" checked={spanOnly} onChange={() => setSpanOnly(!spanOnly)} /> this span alone
          </label>
        )}
        <span class="muted small-text" role="status">
          {scan === null
            ? `${number(total)} entries`
            : `${number(count)} of ${number(total)}${scan.done ? "" : `, ${number(scan.scanned)} read`}`}
        </span>
      </div>
      <div class="log-split">
        <div
          class="scroll log-rows"
          ref={scroller}
          role="grid"
          tabIndex={0}
          aria-label="Events of the log"
          aria-rowcount={count}
          aria-activedescendant={cursor >= 0 ? `event-${cursor}` : undefined}
        >
          <div class="spacer" role="rowgroup" style={{ height: `${virtual.getTotalSize()}px` }}>
            {virtual.getVirtualItems().map((item) => {
              const shown = entry(item.index);
              const place = { transform: `translateY(${item.start}px)`, height: `${height}px` };
              const common = { id: `event-${item.index}`, role: "row" as const, "aria-rowindex": item.index + 1, style: place };
              if (shown === undefined) {
                return (
                  <div key={slot(item.index)} {...common} class="log-row">
                    <span role="gridcell" class="muted">
                      …
                    </span>
                  </div>
                );
              }
              if (isGap(shown)) {
                return (
                  <div
                    key={slot(item.index)}
                    {...common}
                    class={`log-row gap-row${item.index === cursor ? " cursor" : ""}`}
                    onClick={() => setCursor(item.index)}
                  >
                    <span role="gridcell">
                      <b>Lost:</b> {lostText(shown.gap)}
                    </span>
                  </div>
                );
              }
              const isOpen = shown.seq !== null && openSeq === shown.seq;
              return (
                <div
                  key={slot(item.index)}
                  {...common}
                  aria-selected={isOpen}
                  class={`log-row type-${shown.type}${item.index === cursor ? " cursor" : ""}${isOpen ? " selected" : ""}`}
                  onClick={() => {
                    setCursor(item.index);
                    toggle(shown);
                  }}
                >
                  <span role="gridcell" class="seq mono numeric">
                    {shown.seq === null ? "–" : number(shown.seq)}
                  </span>
                  <span role="gridcell" class="time mono muted">
                    {clockMs(shown.time)}
                  </span>
                  <span role="gridcell" class="type">
                    {shown.type}
                  </span>
                  <span role="gridcell" class="span-name" onClick={(event) => event.stopPropagation()}>
                    {shown.span !== null && shown.span !== undefined && (
                      <SpanLink span={shown.span}>{session.row(shown.span)?.name || `span ${shown.span}`}</SpanLink>
                    )}
                  </span>
                  <span role="gridcell" class="text ellipsis mono">
                    {brief(shown.text ?? "")}
                  </span>
                </div>
              );
            })}
          </div>
          {count === 0 && (scan === null || scan.done) && (
            <p class="empty">{filtering ? "No event matches the filter." : "The log holds no event."}</p>
          )}
        </div>
        {openSeq !== null && <RawEvent session={session} seq={openSeq} close={() => setOpenSeq(null)} />}
      </div>
      {!atEnd && session.status === "running" && (
        <button type="button" class="to-end" onClick={toEnd}>
          Latest ↓
        </button>
      )}
    </div>
  );
}

function RawEvent({ session, seq, close }: { session: Session; seq: number; close: () => void }) {
  const [shown, setShown] = useState<{ seq: number; text: string } | null>(null);
  useEffect(() => {
    let wanted = true;
    const show = (text: string) => wanted && setShown({ seq, text });
    session.rawEvent(seq).then(
      (event) => show(JSON.stringify(event, null, 2)),
      (error: unknown) => show(String(error)),
    );
    return () => {
      wanted = false;
    };
  }, [session, seq]);
  const text = shown?.seq === seq ? shown.text : "…";
  return (
    <section class="raw" aria-label={`Event ${seq} as JSON`}>
      <div class="section-head">
        <h3>Event #{number(seq)}</h3>
        <CopyButton small label="the event as JSON" text={() => text} />
        <button type="button" class="quiet" aria-label="Close the JSON" onClick={close}>
          ✕
        </button>
      </div>
      <pre tabIndex={0}>{text.length > 200_000 ? `${text.slice(0, 200_000)}\n…` : text}</pre>
    </section>
  );
}

function useScan(session: Session, total: number, filtering: boolean, filter: LogFilter): LogScan | null {
  const [, again] = useReducer((round: number, _: undefined) => round + 1, 0);
  const { text, type, span } = filter;
  const scan = useMemo(
    () => (filtering ? new LogScan(session, filter, () => again(undefined)) : null),
    [session, filtering, text, type, span],
  );
  useEffect(() => {
    scan?.reach(total);
  }, [scan, total]);
  useEffect(() => () => scan?.stop(), [scan]);
  return scan;
}
