import { useEffect, useState } from "preact/hooks";
import type { SpanDetail } from "../api";
import { useChanges } from "../changes";
import type { Session } from "../session";

const WAIT_MS = 60;

/** A span's details: fetched when they are looked at for a moment, and again when the span has changed. */
export function useSpan(session: Session, index: number): { detail: SpanDetail | undefined; error: string | null } {
  useChanges(session);
  const held = session.heldDetail(index);
  const [shown, setShown] = useState(held);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    if (held !== undefined) {
      setShown(held);
      return;
    }
    let wanted = true;
    const timer = setTimeout(() => {
      session.detail(index).then(
        (detail) => {
          if (wanted) {
            setShown(detail);
            setError(null);
          }
        },
        (failed: unknown) => wanted && setError(failed instanceof Error ? failed.message : String(failed)),
      );
    }, WAIT_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [session, index, held]);
  return { detail: held ?? shown, error };
}
