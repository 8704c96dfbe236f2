// The page's own addresses, all behind `#`, so that they work in a file too.
export type Tab = "summary" | "waterfall" | "tree" | "chat" | "log";
export const TABS: readonly Tab[] = ["summary", "waterfall", "tree", "chat", "log"];

export interface Route {
  session: string | null;
  tab: Tab;
  span: number | null;
  /** The event of the log that is looked at, by its sequence number. */
  event?: number | null;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const match = /^\/s\/([^/]+)(?:\/([a-z]+))?$/.exec(path);
  if (match === null) {
    return { session: null, tab: "summary", span: null };
  }
  const asked = new URLSearchParams(query);
  const event = whole(asked.get("event"));
  return {
    session: decoded(match[1] ?? ""),
    tab: TABS.find((tab) => tab === match[2]) ?? "summary",
    span: whole(asked.get("span")),
    ...(event === null ? {} : { event }),
  };
}

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

export function routeHash(route: Route): string {
  if (route.session === null) {
    return "#/";
  }
  // An event is looked at in the log alone.
  const event = route.tab === "log" ? (route.event ?? null) : null;
  const asked = [...(route.span === null ? [] : [`span=${route.span}`]), ...(event === null ? [] : [`event=${event}`])].join("&");
  return `#/s/${encodeURIComponent(route.session)}/${route.tab}${asked === "" ? "" : `?${asked}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
