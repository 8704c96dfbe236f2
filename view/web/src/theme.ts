// Light, dark, or as the system says.
const KEY = "tracewal.theme";
export type Theme = "auto" | "light" | "dark";
const ORDER: Theme[] = ["auto", "light", "dark"];

export function currentTheme(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "auto";
}

export function applyTheme(theme: Theme): void {
  if (theme === "auto") {
    delete document.documentElement.dataset["theme"];
  } else {
    document.documentElement.dataset["theme"] = theme;
  }
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A file opened from disk may have no storage; the choice then holds for this page.
  }
  dispatchEvent(new Event("theme"));
}

export function nextTheme(): Theme {
  return ORDER[(ORDER.indexOf(currentTheme()) + 1) % ORDER.length] ?? "auto";
}

export function restoreTheme(): void {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === "light" || kept === "dark") {
      document.documentElement.dataset["theme"] = kept;
    }
  } catch {
    // As above.
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("theme")));
}

/** A colour of the style sheet, for what is drawn on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
