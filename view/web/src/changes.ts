// What changes, and the components that show it.
import { useEffect, useReducer } from "preact/hooks";

export class Changes {
  private readonly listeners = new Set<() => void>();
  private scheduled = false;

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Many changes in a row are told once, before the next frame is drawn. */
  protected changed(): void {
    if (this.scheduled) {
      return;
    }
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      for (const listener of [...this.listeners]) {
        listener();
      }
    });
  }
}

/** Draws the component again whenever one of these has changed. */
export function useChanges(...sources: (Changes | null)[]): void {
  const [, again] = useReducer((round: number, _: undefined) => round + 1, 0);
  useEffect(() => {
    const stops = sources.map((source) => source?.listen(() => again(undefined)));
    // What changed between drawing and listening would be missed.
    again(undefined);
    return () => stops.forEach((stop) => stop?.());
  }, sources);
}
