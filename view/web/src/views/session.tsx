import { useEffect, useRef, useState } from "preact/hooks";
import type { Hit } from "../api";
import { useChanges } from "../changes";
import { dateTime, duration, plural, shortNumber } from "../format";
import { useKeys } from "../keys";
import { usePage } from "../page";
import { Banner } from "../parts/banner";
import { StatusBadge } from "../parts/status";
import { Brand, ChromeButtons } from "../parts/tools";
import { type Tab, TABS } from "../route";
import type { Session } from "../session";
import { Chat } from "./chat";
import { Detail } from "./detail";
import { SpanGrid } from "./grid";
import { Log } from "./log";
import { Search } from "./search";
import { costOf, isEstimated, Summary } from "./summary";

const LABELS: Record<Tab, string> = { summary: "Summary", waterfall: "Waterfall", tree: "Tree", chat: "Chat", log: "Log" };

export function SessionView({ session, help, theme }: { session: Session; help: () => void; theme: () => void }) {
  useChanges(session, session.rows);
  const { route, go, say, meta, transport } = usePage();
  const [searching, setSearching] = useState(false);
  const [found, setFound] = useState<Hit[]>([]);
  const tabs = useRef<HTMLDivElement>(null);
  const { summary } = session;
  const { tab, span } = route;

  const status = session.writer === "dead" && session.status === "running" ? "crashed" : session.status;
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (summary === null) {
      return;
    }
    if (before.current !== null && before.current !== status) {
      say(`The session ${status === "running" ? "is running" : `has ${status === "crashed" ? "crashed" : "ended"}: ${status}`}`);
    }
    before.current = status;
  }, [status, summary === null]);

  useEffect(() => {
    document.title = summary === null ? "tracewal" : `${summary.title ?? summary.id} · tracewal`;
  }, [summary?.title, summary?.id]);

  const hitSpans = [...new Set(found.map((hit) => hit.span))];
  const nextHit = (direction: 1 | -1) => {
    if (hitSpans.length > 0) {
      const at = span === null ? -1 : hitSpans.indexOf(span);
      go({ span: hitSpans[(at + direction + hitSpans.length) % hitSpans.length] ?? null }, true);
    }
  };
  const list = transport.mode === "served" ? () => go({ session: null, span: null, event: null, tab: "summary" }) : null;

  useKeys("Session", [
    { keys: ["/"], help: "search the whole trace", run: () => setSearching(true) },
    { keys: ["n"], help: "next span found", run: () => nextHit(1) },
    { keys: ["N"], help: "previous span found", run: () => nextHit(-1) },
    ...TABS.map((name, place) => ({ keys: [String(place + 1)], help: LABELS[name], run: () => go({ tab: name }) })),
    { keys: ["Escape"], help: "close the search, then the span", run: () => (searching ? setSearching(false) : go({ span: null }, true)) },
    ...(list === null ? [] : [{ keys: ["u"], help: "all sessions", run: list }]),
  ]);

  const choose = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] ?? tab;
      go({ tab: next });
      tabs.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
    }
  };

  return (
    <div class="page session">
      <header class="top">
        <Brand store={meta.store} onList={list} />
        <h1 class="grow ellipsis" title={summary?.id}>
          {summary === null ? session.id : (summary.title ?? summary.id)}
        </h1>
        {summary !== null && <StatusBadge status={status} />}
        {session.status === "running" && transport.mode === "served" && (
          <span
            class={`live ${session.connected === null ? "" : session.connected ? "on" : "off"}`}
            title={session.connected ? "What is written appears here at once" : "Not connected to tracewal view"}
          >
            {session.connected === null ? "…" : session.connected ? "live" : "not connected"}
          </span>
        )}
        <button type="button" class="search-button" onClick={() => setSearching(true)} title="Search (/)">
          <span aria-hidden="true">⌕</span> <span class="label">Search</span> <kbd aria-hidden="true">/</kbd>
        </button>
        <ChromeButtons help={help} theme={theme} />
      </header>
      <main class="main">
        {summary !== null && (
          <p class="facts-line muted small-text" role="group" aria-label="In short" tabIndex={0}>
            <span title="Started">{dateTime(summary.startedAt)}</span>
            <span title="Duration">
              {duration(session.status === "running" && session.writer === "alive" ? session.now() : summary.summary.duration)}
            </span>
            <span>{plural(summary.counts.generations, "model call")}</span>
            <span>{plural(summary.counts.tools, "tool call")}</span>
            <span title="Tokens">{shortNumber(summary.summary.totalTokens)} tokens</span>
            {(summary.summary.totalCost > 0 || isEstimated(summary)) && (
              <span title={isEstimated(summary) ? "Cost, estimated" : "Cost"}>{costOf(summary)}</span>
            )}
            {summary.counts.errors > 0 && <span class="error-text">{plural(summary.counts.errors, "error")}</span>}
            {summary.counts.interrupted > 0 && <span class="interrupted-text">{summary.counts.interrupted} interrupted</span>}
          </p>
        )}
        <Banner session={session} wide={tab === "summary"} />
        {session.error !== null && (
          <p class="banner lost" role="alert">
            {session.error}
          </p>
        )}
        <div class="tabs" role="tablist" aria-label="Views of the session" ref={tabs} onKeyDown={choose}>
          {TABS.map((name, place) => (
            <button
              key={name}
              id={`tab-${name}`}
              type="button"
              role="tab"
              aria-selected={tab === name}
              aria-controls="view"
              tabIndex={tab === name ? 0 : -1}
              onClick={() => go({ tab: name })}
              title={`${LABELS[name]} (${place + 1})`}
            >
              {LABELS[name]}
            </button>
          ))}
        </div>
        <div class={`body${span === null ? "" : " with-detail"}`}>
          <div id="view" class={`view view-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`}>
            {summary === null && session.error === null && (
              <p class="empty" role="status">
                Reading the log …
              </p>
            )}
            {summary !== null && tab === "summary" && <Summary session={session} summary={summary} />}
            {summary !== null && (tab === "waterfall" || tab === "tree") && (
              <SpanGrid key={tab} session={session} timeline={tab === "waterfall"} hits={new Set(hitSpans)} />
            )}
            {summary !== null && tab === "chat" && <Chat session={session} />}
            {summary !== null && tab === "log" && <Log session={session} />}
          </div>
          {span !== null && summary !== null && <Detail key={span} session={session} index={span} />}
          {searching && <Search session={session} close={() => setSearching(false)} found={setFound} />}
        </div>
      </main>
    </div>
  );
}
