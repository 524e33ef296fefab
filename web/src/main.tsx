import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/layout.css";
import "./style/parts.css";
import "./style/pages.css";
import { render } from "preact";
import { takeTokenFromAddress } from "./api.js";
import { App } from "./app.js";
import { applyTheme } from "./theme.js";

applyTheme();
takeTokenFromAddress();
render(<App />, document.getElementById("app")!);
