import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { SessionRow } from "../api";
import { useChanges } from "../changes";
import { dateTime, duration, money, number, plural, shortNumber, totalTokens } from "../format";
import { useKeys } from "../keys";
import { usePage } from "../page";
import { StatusBadge } from "../parts/status";
import { Brand, ChromeButtons } from "../parts/tools";
import type { Sessions } from "../sessions";
import { useVirtual } from "../virtual";
import { useNarrow } from "./narrow";

type Column = "title" | "status" | "agent" | "model" | "started" | "duration" | "spans" | "tokens" | "cost";

const COLUMNS: { name: Column; label: string; numeric: boolean; value: (row: SessionRow) => string | number }[] = [
  { name: "title", label: "Session", numeric: false, value: (row) => (row.title ?? row.id).toLowerCase() },
  { name: "status", label: "Status", numeric: false, value: (row) => row.status },
  { name: "agent", label: "Agent", numeric: false, value: (row) => row.agent ?? "" },
  { name: "model", label: "Model", numeric: false, value: (row) => row.models?.[0] ?? "" },
  { name: "started", label: "Started", numeric: true, value: (row) => row.startedAt },
  { name: "duration", label: "Duration", numeric: true, value: (row) => row.duration ?? -1 },
  { name: "spans", label: "Spans", numeric: true, value: (row) => row.spans },
  { name: "tokens", label: "Tokens", numeric: true, value: (row) => totalTokens(row.tokens) ?? -1 },
  { name: "cost", label: "Cost", numeric: true, value: (row) => row.cost ?? -1 },
];

interface Filter {
  text: string;
  status: string;
  agent: string;
  model: string;
  from: string;
  to: string;
}

const NOTHING: Filter = { text: "", status: "", agent: "", model: "", from: "", to: "" };

interface Sort {
  by: Column;
  up: boolean;
}

/** What was chosen is still there when somebody comes back from a session. */
const kept: { filter: Filter; sort: Sort; cursor: string | null } = {
  filter: NOTHING,
  sort: { by: "started", up: false },
  cursor: null,
};

export function SessionList({ sessions, help, theme }: { sessions: Sessions; help: () => void; theme: () => void }) {
  useChanges(sessions);
  const { go, meta } = usePage();
  const [filter, setFilter] = useState<Filter>(kept.filter);
  const [sort, setSort] = useState<Sort>(kept.sort);
  const [cursor, setCursor] = useState<string | null>(kept.cursor);
  useEffect(() => void Object.assign(kept, { filter, sort, cursor }), [filter, sort, cursor]);
  const scroller = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const narrow = useNarrow(760);

  const all = [...sessions.rows.values()];
  const shown = sorted(
    all.filter((row) => matches(row, filter)),
    sort,
  );
  const agents = distinct(all.map((row) => row.agent ?? ""));
  const models = distinct(all.flatMap((row) => row.models ?? []));
  const rowHeight = narrow ? 92 : 44;
  const virtual = useVirtual({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (index) => shown[index]?.id ?? index,
  });
  useMemo(() => virtual.measure(), [rowHeight]);

  const at = shown.findIndex((row) => row.id === cursor);
  useEffect(() => {
    if (at >= 0) {
      virtual.scrollToIndex(at, { align: "auto" });
    }
  }, [sessions.loaded]);
  const open = (id: string) => {
    kept.cursor = id;
    go({ session: id, tab: "summary", span: null, event: null });
  };
  const move = (by: number) => {
    const next = Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + by));
    setCursor(shown[next]?.id ?? null);
    virtual.scrollToIndex(next);
  };
  useKeys("Sessions", [
    { keys: ["/"], help: "filter the sessions", run: () => search.current?.focus() },
    { keys: ["ArrowDown", "j"], help: "next session", run: () => move(1) },
    { keys: ["ArrowUp", "k"], help: "previous session", run: () => move(-1) },
    { keys: ["Enter"], help: "open the session", run: () => cursor !== null && open(cursor) },
    {
      keys: ["Escape"],
      help: "leave the filter, then clear it",
      run: (event) => {
        if (event.target === search.current) {
          search.current?.blur();
        } else {
          setFilter(NOTHING);
        }
      },
    },
  ]);

  const set = (field: keyof Filter) => (event: Event) => setFilter({ ...filter, [field]: (event.target as HTMLInputElement).value });
  const cost = shown.reduce((sum, row) => sum + (row.cost ?? 0), 0);
  const estimated = shown.some((row) => row.costEstimated === true);

  return (
    <div class="page">
      <header class="top">
        <Brand store={meta.store} onList={null} />
        <span class="grow muted ellipsis mono small-text" title={meta.store}>
          {meta.store}
        </span>
        {!sessions.connected && (
          <span class="badge status-error" role="status">
            not connected
          </span>
        )}
        <ChromeButtons help={help} theme={theme} />
      </header>
      <main class="list-main">
        <h1 class="visually-hidden">Sessions</h1>
        <form class="filters" role="search" aria-label="Filter sessions" onSubmit={(event) => event.preventDefault()}>
          <input
            ref={search}
            type="search"
            class="wide-input"
            placeholder="Filter by title, id, cause …  ( / )"
            aria-label="Filter by text"
            value={filter.text}
            onInput={set("text")}
          />
          <Choice
            label="Status"
            value={filter.status}
            onChange={set("status")}
            values={["running", "completed", "error", "crashed", "unreadable"]}
          />
          <Choice label="Model" value={filter.model} onChange={set("model")} values={models} />
          <Choice label="Agent" value={filter.agent} onChange={set("agent")} values={agents} />
          {narrow && <SortBy sort={sort} onSort={setSort} />}
          <label class="date">
            from <input type="date" value={filter.from} onInput={set("from")} />
          </label>
          <label class="date">
            to <input type="date" value={filter.to} onInput={set("to")} />
          </label>
        </form>
        <p class="muted small-text totals" role="status">
          {sessions.loaded
            ? `${shown.length === all.length ? "" : `${number(shown.length)} of `}${plural(all.length, "session")}${cost > 0 ? ` · ${money(cost, estimated)}${estimated ? ", partly estimated" : ""}` : ""}`
            : "Reading the store …"}
        </p>
        {sessions.error !== null && (
          <p class="error-text" role="alert">
            {sessions.error}
          </p>
        )}
        <div class={narrow ? "grid sessions narrow" : "grid sessions"} role="table" aria-label="Sessions" aria-rowcount={shown.length + 1}>
          {!narrow && (
            <div class="grid-head" role="rowgroup">
              <div class="grid-row head" role="row" aria-rowindex={1}>
                {COLUMNS.map(({ name, label, numeric }) => (
                  <div
                    key={name}
                    role="columnheader"
                    class={`cell c-${name}${numeric ? " numeric" : ""}`}
                    aria-sort={sort.by === name ? (sort.up ? "ascending" : "descending") : "none"}
                  >
                    <button type="button" onClick={() => setSort({ by: name, up: sort.by === name ? !sort.up : !numeric })}>
                      {label}
                      {sort.by === name ? (sort.up ? " ↑" : " ↓") : ""}
                    </button>
                  </div>
                ))}
              </div>
            </div>
          )}
          <div class="scroll" ref={scroller} role="rowgroup" tabIndex={0} aria-label="Sessions">
            <div class="spacer" style={{ height: `${virtual.getTotalSize()}px` }} role="presentation">
              {virtual.getVirtualItems().map((item) => {
                const row = shown[item.index];
                return row === undefined ? null : (
                  <div
                    key={row.id}
                    role="row"
                    aria-rowindex={item.index + 2}
                    class={`grid-row item${row.id === cursor ? " cursor" : ""}`}
                    style={{ transform: `translateY(${item.start}px)`, height: `${rowHeight}px` }}
                    onClick={() => open(row.id)}
                  >
                    <Cells row={row} />
                  </div>
                );
              })}
            </div>
            {sessions.loaded && shown.length === 0 && (
              <p class="empty">
                {all.length === 0 ? "No sessions in this store yet. They appear here as they begin." : "No session matches the filter."}
              </p>
            )}
          </div>
        </div>
      </main>
    </div>
  );
}

function Cells({ row }: { row: SessionRow }) {
  const title = row.title ?? row.id;
  return (
    <>
      <div class="cell c-title" role="cell">
        <a
          class="title ellipsis"
          href={`#/s/${encodeURIComponent(row.id)}/summary`}
          onClick={(event) => {
            event.stopPropagation();
            kept.cursor = row.id;
          }}
        >
          {title}
        </a>
        <span class="sub muted ellipsis">{row.cause ?? (title === row.id ? "" : row.id)}</span>
      </div>
      <div class="cell c-status" role="cell">
        <StatusBadge status={row.status} />
        {(row.lostEvents ?? 0) > 0 && (
          <span class="interrupted-text small-text" title={`${plural(row.lostEvents ?? 0, "event")} lost from the log`}>
            {shortNumber(row.lostEvents ?? 0)} lost
          </span>
        )}
      </div>
      <div class="cell c-agent ellipsis" role="cell">
        {row.agent ?? "–"}
      </div>
      <div class="cell c-model ellipsis" role="cell" title={row.models?.join(", ")}>
        {row.models?.join(", ") || "–"}
      </div>
      <div class="cell c-started numeric" role="cell">
        {dateTime(row.startedAt)}
      </div>
      <div class="cell c-duration numeric" role="cell">
        {duration(row.duration)}
      </div>
      <div class="cell c-spans numeric" role="cell">
        {number(row.spans)}
        {(row.errors ?? 0) > 0 && (
          <span class="error-text" title={plural(row.errors ?? 0, "error")}>
            {" "}
            · {row.errors} ✕
          </span>
        )}
      </div>
      <div class="cell c-tokens numeric" role="cell">
        {totalTokens(row.tokens) === null ? "–" : shortNumber(totalTokens(row.tokens) ?? 0)}
      </div>
      <div class="cell c-cost numeric" role="cell" title={row.costEstimated ? "estimated" : undefined}>
        {row.cost === 0 && (totalTokens(row.tokens) ?? 0) > 0 ? "–" : money(row.cost, row.costEstimated)}
      </div>
    </>
  );
}

function Choice({ label, value, values, onChange }: { label: string; value: string; values: string[]; onChange: (event: Event) => void }) {
  return (
    <select aria-label={label} value={value} onChange={onChange}>
      <option value="">{label}: any</option>
      {values.map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </select>
  );
}

/** In place of the heads of columns, which have no room. */
function SortBy({ sort, onSort }: { sort: Sort; onSort: (sort: Sort) => void }) {
  return (
    <span class="sort-by">
      <select
        aria-label="Sort by"
        value={sort.by}
        onChange={(event) => {
          const by = event.currentTarget.value as Column;
          onSort({ by, up: COLUMNS.find(({ name }) => name === by)?.numeric === false });
        }}
      >
        {COLUMNS.map(({ name, label }) => (
          <option key={name} value={name}>
            by {label.toLowerCase()}
          </option>
        ))}
      </select>
      <button
        type="button"
        aria-label={sort.up ? "Ascending; sort the other way" : "Descending; sort the other way"}
        onClick={() => onSort({ ...sort, up: !sort.up })}
      >
        {sort.up ? "↑" : "↓"}
      </button>
    </span>
  );
}

function matches(row: SessionRow, filter: Filter): boolean {
  const text = filter.text.trim().toLowerCase();
  return (
    (filter.status === "" || row.status === filter.status) &&
    (filter.agent === "" || row.agent === filter.agent) &&
    (filter.model === "" || (row.models ?? []).includes(filter.model)) &&
    (filter.from === "" || row.startedAt >= new Date(`${filter.from}T00:00`).getTime()) &&
    (filter.to === "" || row.startedAt <= new Date(`${filter.to}T23:59:59.999`).getTime()) &&
    (text === "" || [row.title, row.id, row.cause, row.agent, ...(row.models ?? [])].some((value) => value?.toLowerCase().includes(text)))
  );
}

function sorted(rows: SessionRow[], { by, up }: { by: Column; up: boolean }): SessionRow[] {
  const column = COLUMNS.find(({ name }) => name === by);
  if (column === undefined) {
    return rows;
  }
  const direction = up ? 1 : -1;
  return rows.sort((a, b) => {
    const left = column.value(a);
    const right = column.value(b);
    return left === right ? (a.id < b.id ? -1 : 1) : left < right ? -direction : direction;
  });
}

function distinct(values: string[]): string[] {
  return [...new Set(values.filter((value) => value !== ""))].sort();
}
