import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Meta } from "./api";
import { useKeys } from "./keys";
import { type Page, PageContext } from "./page";
import { Help } from "./parts/help";
import { parseRoute, type Route, routeHash } from "./route";
import { Session } from "./session";
import { Sessions } from "./sessions";
import { applyTheme, currentTheme, nextTheme } from "./theme";
import type { Transport } from "./transport";
import { SessionList } from "./views/list";
import { SessionView } from "./views/session";

export function App({ transport }: { transport: Transport }) {
  const [meta, setMeta] = useState<Meta | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  const [said, setSaid] = useState("");
  const [help, setHelp] = useState(false);
  const [, setTheme] = useState(currentTheme());
  const current = useRef(route);
  current.current = route;

  useEffect(() => {
    transport.json<Meta>("api/meta").then(setMeta, (error: unknown) => setFailed(String(error)));
  }, []);

  useEffect(() => {
    const moved = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);

  const go = useCallback((change: Partial<Route>, replace = false) => {
    const next = { ...current.current, ...change };
    current.current = next;
    const hash = routeHash(next);
    if (replace) {
      history.replaceState(null, "", hash);
    } else if (location.hash !== hash) {
      history.pushState(null, "", hash);
    }
    setRoute(next);
  }, []);

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const say = useCallback((text: string) => {
    setSaid(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSaid(""), 4000);
  }, []);

  const switchTheme = () => {
    const theme = nextTheme();
    applyTheme(theme);
    setTheme(theme);
    say(`Theme: ${theme === "auto" ? "as the system" : theme}`);
  };

  useKeys("Everywhere", [
    { keys: ["?"], help: "show the keys", run: () => setHelp((shown) => !shown) },
    { keys: ["T"], help: "switch between light, dark and the system's theme", run: switchTheme },
  ]);

  const id = route.session ?? meta?.session ?? null;
  const page = useMemo<Page | null>(
    () => (meta === null ? null : { transport, meta, route: { ...route, session: id }, go, say }),
    [transport, meta, route, id, go, say],
  );

  return (
    <PageContext.Provider value={page}>
      {failed !== null && (
        <main class="notice">
          <h1>The trace cannot be read</h1>
          <p role="alert">{failed}</p>
          <p>
            Is <code>tracewal view</code> still running? Its address holds a token that changes each time.
          </p>
        </main>
      )}
      {page !== null &&
        (id === null ? (
          <Listing key="list" transport={transport} help={() => setHelp(true)} theme={switchTheme} />
        ) : (
          <Opened key={id} id={id} transport={transport} help={() => setHelp(true)} theme={switchTheme} />
        ))}
      {help && <Help close={() => setHelp(false)} />}
      <div class={said === "" ? "toast hidden" : "toast"} role="status" aria-live="polite">
        {said}
      </div>
    </PageContext.Provider>
  );
}

interface Chrome {
  transport: Transport;
  help: () => void;
  theme: () => void;
}

function Listing({ transport, help, theme }: Chrome) {
  const sessions = useMemo(() => new Sessions(transport), [transport]);
  useEffect(() => {
    void sessions.open();
    return () => sessions.close();
  }, [sessions]);
  return <SessionList sessions={sessions} help={help} theme={theme} />;
}

function Opened({ id, transport, help, theme }: Chrome & { id: string }) {
  const session = useMemo(() => new Session(id, transport), [id, transport]);
  useEffect(() => {
    void session.open();
    return () => session.close();
  }, [session]);
  return <SessionView session={session} help={help} theme={theme} />;
}
