// Lines over time, by uPlot; the same numbers are in the table beside them for whoever cannot see a picture.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number, offset } from "../format";
import { colour } from "../theme";

export interface Line {
  label: string;
  colour: string;
  values: number[];
}

interface Props {
  title: string;
  /** Milliseconds from the session's start. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
}

const HEIGHT = 170;

export function Chart({ title, times, lines, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = lines.map((line) => line.label).join();

  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return;
    }
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element.clientWidth, lines, format), [times, ...lines.map((line) => line.values)], element);
    };
    make();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    addEventListener("theme", make);
    return () => {
      observer.disconnect();
      removeEventListener("theme", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData([times, ...lines.map((line) => line.values)]), [times, lines]);

  return (
    <figure class="chart">
      <figcaption>
        {title}{" "}
        <span class="chart-legend">
          {lines.map((line) => (
            <span key={line.label}>
              <i class={`swatch ${line.colour}`} /> {line.label}
            </span>
          ))}
        </span>
      </figcaption>
      <div
        ref={place}
        role="img"
        aria-label={`${title}: ${lines.map((line) => `${line.label} reaches ${number(line.values.at(-1) ?? 0)}`).join(", ")}`}
      />
    </figure>
  );
}

function options(width: number, lines: Line[], format: (value: number) => string): uPlot.Options {
  const text = colour("text-muted");
  const grid = { stroke: colour("line"), width: 1 };
  return {
    width: Math.max(width, 100),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      {
        stroke: text,
        grid,
        ticks: grid,
        font: "11px system-ui",
        space: 70,
        values: (_plot, splits) => splits.map((at) => offset(at, (splits[1] ?? 1000) - (splits[0] ?? 0))),
      },
      { stroke: text, grid, ticks: grid, font: "11px system-ui", size: 62, values: (_plot, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series =>
          ({
            label: line.label,
            stroke: colour(line.colour),
            fill: `${colour(line.colour)}22`,
            width: 2,
            paths: uPlot.paths.stepped?.({ align: 1 }) ?? null,
            points: { show: false },
          }) as uPlot.Series,
      ),
    ],
  };
}
