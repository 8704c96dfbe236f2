import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const NEAR = 60;

/** Whoever looks at the end stays at the end as more comes in; whoever looks elsewhere stays there. */
export function useAtEnd(
  scroller: { current: HTMLElement | null },
  count: number,
  show: () => void,
): { atEnd: boolean; toEnd: () => void } {
  const [atEnd, setAtEnd] = useState(false);
  const following = useRef(false);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) {
      return;
    }
    const scrolled = () => {
      following.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      setAtEnd(following.current);
    };
    scrolled();
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => element.removeEventListener("scroll", scrolled);
  }, []);
  const before = useRef(count);
  useLayoutEffect(() => {
    const grown = count > before.current && before.current > 0;
    before.current = count;
    if (grown && following.current) {
      show();
    }
  }, [count]);
  return { atEnd, toEnd: show };
}
