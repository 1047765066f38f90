// Small words for the document. Whatever is put into it is text: there is no way to write markup from here, and the
// page's security policy forbids all others.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element. `properties` are attributes; those that are `null`, `undefined` or `false` are left out. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (key === "onclick") made.addEventListener("click", value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A new element of a drawing. */
export function drawing(name, properties = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  return made;
}

/** Writes a text, unless it stands there already: what does not change is not read out again. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replaces what an element holds, and leaves the focus where it was when the same thing (`data-key`) is there again. */
export function replace(node, children) {
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...children);
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}
