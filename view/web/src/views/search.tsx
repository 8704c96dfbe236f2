import { useEffect, useRef, useState } from "preact/hooks";
import type { Hit } from "../api";
import { number } from "../format";
import { usePage } from "../page";
import type { Session } from "../session";

const WAIT_MS = 180;
let lastQuery = "";

export function Search({ session, close, found }: { session: Session; close: () => void; found: (hits: Hit[]) => void }) {
  const { go, route, transport } = usePage();
  const [query, setQuery] = useState(lastQuery);
  const [hits, setHits] = useState<Hit[] | null>(null);
  const [more, setMore] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => input.current?.select(), []);
  useEffect(() => {
    lastQuery = query;
    const wanted = query.trim();
    if (wanted === "") {
      setHits(null);
      found([]);
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      transport.search(session.id, wanted, stop.signal).then(
        (result) => {
          setHits(result.hits);
          setMore(result.more);
          setFailed(null);
          setAt(0);
          found(result.hits);
        },
        (error: unknown) => {
          if (!stop.signal.aborted) {
            setFailed(error instanceof Error ? error.message : String(error));
          }
        },
      );
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [query, session]);

  const show = (place: number) => {
    const hit = hits?.[place];
    if (hit !== undefined) {
      setAt(place);
      // What was found is shown among its neighbours.
      go({ span: hit.span, ...(route.tab === "summary" ? { tab: "tree" as const } : {}) }, true);
    }
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = Math.max(0, Math.min((hits?.length ?? 1) - 1, at + (event.key === "ArrowDown" ? 1 : -1)));
      setAt(next);
      list.current?.children[next]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      show(at);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  };

  return (
    <section class="search" role="search" aria-label="Search the trace">
      <div class="search-head">
        <input
          ref={input}
          value={query}
          autoFocus
          role="combobox"
          aria-expanded={hits !== null}
          aria-controls="hits"
          aria-activedescendant={hits !== null && hits.length > 0 ? `hit-${at}` : undefined}
          aria-label="Search all names, inputs, outputs and attributes"
          placeholder="Names, inputs, outputs, attributes …"
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={keys}
        />
        <button type="button" class="quiet" onClick={close} aria-label="Close the search">
          ✕
        </button>
      </div>
      <p class="muted small-text" role="status">
        {failed ??
          (hits === null
            ? "Type to search. ↑ ↓ move, Enter shows."
            : hits.length === 0
              ? "Nothing found."
              : `${number(hits.length)}${more ? " or more" : ""} found`)}
      </p>
      <ul id="hits" role="listbox" aria-label="Found" ref={list} tabIndex={-1}>
        {(hits ?? []).map((hit, place) => (
          <li key={place} id={`hit-${place}`} role="option" aria-selected={place === at} onClick={() => show(place)}>
            <span class="hit-where">
              <b>{session.row(hit.span)?.name || `span ${hit.span}`}</b> <span class="muted">{hit.field}</span>
            </span>
            <span class="hit-text mono">
              {hit.before}
              <mark>{hit.match}</mark>
              {hit.after}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
