import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/views.css";
import { render } from "preact";
import { App } from "./app";
import { listenForKeys } from "./keys";
import { restoreTheme } from "./theme";
import { transportOf } from "./transport";

restoreTheme();
listenForKeys();
const place = document.getElementById("app");
if (place !== null) {
  place.replaceChildren();
  render(<App transport={transportOf(document)} />, place);
}
