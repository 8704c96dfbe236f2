// What every part of the page may ask for: where we are, going elsewhere, saying something aloud.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Meta } from "./api";
import type { Route } from "./route";
import type { Transport } from "./transport";

export interface Page {
  transport: Transport;
  meta: Meta;
  route: Route;
  /** `replace` does not add to the browser's history: for moves of the cursor. */
  go(change: Partial<Route>, replace?: boolean): void;
  /** Said by screen readers, and shown for a moment. */
  say(text: string): void;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) {
    throw new Error("outside of the page");
  }
  return page;
}
