// The page's own addresses, all behind `#`, so that they work in a file too.
export type Tab = "summary" | "waterfall" | "tree" | "chat" | "log";
export const TABS: readonly Tab[] = ["summary", "waterfall", "tree", "chat", "log"];

export interface Route {
  session: string | null;
  tab: Tab;
  span: number | null;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const match = /^\/s\/([^/]+)(?:\/([a-z]+))?$/.exec(path);
  if (match === null) {
    return { session: null, tab: "summary", span: null };
  }
  const span = Number(new URLSearchParams(query).get("span") ?? "x");
  return {
    session: decoded(match[1] ?? ""),
    tab: TABS.find((tab) => tab === match[2]) ?? "summary",
    span: Number.isSafeInteger(span) && span >= 0 ? span : null,
  };
}

export function routeHash(route: Route): string {
  if (route.session === null) {
    return "#/";
  }
  const span = route.span === null ? "" : `?span=${route.span}`;
  return `#/s/${encodeURIComponent(route.session)}/${route.tab}${span}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
