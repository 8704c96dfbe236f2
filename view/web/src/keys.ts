// The keyboard. A view says which keys it takes while it is shown; `?` lists them all.
import { useEffect, useRef } from "preact/hooks";

export interface Binding {
  /** `event.key` values; `Shift` is part of the key (`N`), other modifiers never are. */
  keys: string[];
  help: string;
  run: (event: KeyboardEvent) => void;
}

const bound: { current: Binding[]; where: string }[] = [];

export function useKeys(where: string, bindings: Binding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  useEffect(() => {
    const layer = {
      where,
      get current() {
        return latest.current;
      },
    };
    bound.push(layer);
    return () => {
      bound.splice(bound.indexOf(layer), 1);
    };
  }, [where]);
}

export function boundKeys(): { where: string; bindings: Binding[] }[] {
  return bound.map((layer) => ({ where: layer.where, bindings: layer.current })).filter((layer) => layer.bindings.length > 0);
}

export function listenForKeys(): () => void {
  const pressed = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
      return;
    }
    // What is open above the page has its own keys; `?` closes the list of keys again.
    if (event.key !== "?" && document.querySelector("dialog[open]") !== null) {
      return;
    }
    const target = event.target as HTMLElement | null;
    const typing =
      target !== null && (target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select") || target.isContentEditable);
    if (typing && event.key !== "Escape") {
      return;
    }
    // Enter and Space belong to what has the focus.
    const onControl = target?.closest("button, a, summary, [role=tab]") ?? null;
    if (onControl !== null && (event.key === "Enter" || event.key === " ")) {
      return;
    }
    for (const layer of [...bound].reverse()) {
      const binding = layer.current.find(({ keys }) => keys.includes(event.key));
      if (binding !== undefined) {
        event.preventDefault();
        binding.run(event);
        return;
      }
    }
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
