// Rows of the two tables. On a phone they are drawn as cards, which takes from a table what it means; so each part says
// what it is.

import { element } from "./dom.js";

/** A row that can be unfolded: its name is the button. */
export function row({ key, name, isOpen, onclick }, ...cells) {
  const button = element("button", { class: "unfold", "data-key": key, "aria-expanded": String(isOpen), onclick }, name);
  return element("tr", { role: "row" }, element("th", { role: "rowheader" }, button), ...cells);
}

/** A cell below the heading with this name. */
export function cell(heading, ...content) {
  return element("td", { role: "cell", "data-name": heading }, ...content);
}

/** What is unfolded below a row. */
export function details(columns, ...content) {
  return element("tr", { class: "details", role: "row" }, element("td", { role: "cell", colspan: String(columns) }, ...content));
}
