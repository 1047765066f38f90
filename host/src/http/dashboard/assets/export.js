// Files for whoever wants to keep what the page shows.

import { element } from "./dom.js";

/** Lets the browser save a document as JSON. */
export function save(name, content) {
  const file = new Blob([JSON.stringify(content, null, 2)], { type: "application/json" });
  const address = URL.createObjectURL(file);
  element("a", { href: address, download: name }).click();
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
