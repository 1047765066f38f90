// The tenants as a grid, one small square each, coloured by where it stands. Made for thousands of them: the grid is one
// stop of the keyboard, in which the arrows go from tenant to tenant, and what is known of one stands below.

import { get } from "./api.js";
import { byId, element, write } from "./dom.js";
import { dateAndTime, number, plural } from "./format.js";

/** How often the tenants are asked for while a run works on them. */
const LOOK = 3_000;

/** Where a tenant can stand, as the filter, the colours and the words below the grid have it; what wants to be seen comes first. */
const WORDS = { failed: "failed", behind: "behind", waiting: "waits for its finalize", done: "up to date" };

let tenants = [];
/** The tenants that are shown, and their squares. */
let found = [];
let squares = [];
let chosen = null;
let askedAt = 0;
let isAsking = false;

export function start() {
  byId("tenants-search").addEventListener("input", draw);
  byId("tenants-filter").addEventListener("change", draw);
  const grid = byId("tenants-grid");
  grid.addEventListener("click", ({ target }) => choose(squares.indexOf(target)));
  grid.addEventListener("keydown", walk);
  grid.addEventListener("focus", () => choose(Math.max(0, place())));
}

/** Shows the panel where there are tenants, and keeps it up to date while they are worked on. */
export function show(model) {
  const summary = model.overview.tenants;
  byId("tenants").hidden = summary == null;
  if (summary == null) return;
  const parts = [plural(summary.tenants, "tenant", "tenants")];
  if (summary.behind > 0) parts.push(`${number(summary.behind)} behind`);
  if (summary.failed > 0) parts.push(`${number(summary.failed)} failed`);
  write(byId("tenants-count"), parts.join(", "));
  if (model.isRunning && Date.now() - askedAt > LOOK) load(model).catch(() => {});
}

/** Asks for the tenants. */
export async function load(model) {
  if (model.overview.tenants == null || isAsking) return;
  isAsking = true;
  try {
    const order = Object.keys(WORDS);
    const urgency = (tenant) => order.indexOf(standing(tenant));
    tenants = (await get("tenants")).sort((one, other) => urgency(one) - urgency(other));
  } finally {
    isAsking = false;
    askedAt = Date.now();
  }
  draw();
}

function standing(tenant) {
  if (tenant.failure) return "failed";
  if (tenant.pending > 0) return "behind";
  return tenant.unfinalized > 0 ? "waiting" : "done";
}

function draw() {
  const words = byId("tenants-search").value.trim().toLowerCase();
  const wanted = byId("tenants-filter").value;
  found = tenants.filter((tenant) => {
    const isWanted = wanted === "all" || standing(tenant) === wanted;
    return isWanted && tenant.name.toLowerCase().includes(words);
  });
  squares = found.map((tenant, index) =>
    element("span", {
      id: `tenant-${index}`,
      role: "option",
      class: `square ${standing(tenant)}`,
      title: tenant.name,
      "aria-label": `${tenant.name}: ${WORDS[standing(tenant)]}`,
      "aria-selected": String(tenant.name === chosen),
    }),
  );
  byId("tenants-grid").replaceChildren(...squares);
  byId("tenants-empty").hidden = found.length > 0;
  write(byId("tenants-empty"), tenants.length > 0 ? "no tenant is like that" : "there are no tenants yet");
  tell();
}

const place = () => found.findIndex((tenant) => tenant.name === chosen);

function choose(index) {
  if (!found[index]) return;
  squares[place()]?.setAttribute("aria-selected", "false");
  chosen = found[index].name;
  squares[index].setAttribute("aria-selected", "true");
  tell();
}

function walk(event) {
  const first = squares[0];
  if (!first) return;
  // As many as the first row holds.
  const next = squares.findIndex((square) => square.offsetTop > first.offsetTop);
  const width = next > 0 ? next : squares.length;
  const last = squares.length - 1;
  const at = place();
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + width, ArrowUp: at - width, Home: 0, End: last }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const index = Math.min(last, Math.max(0, to));
  choose(index);
  squares[index].scrollIntoView({ block: "nearest" });
}

/** Says below the grid what is known of the tenant that was chosen. */
function tell() {
  const index = place();
  const tenant = found[index];
  byId("tenant").hidden = !tenant;
  const grid = byId("tenants-grid");
  if (!tenant) {
    grid.removeAttribute("aria-activedescendant");
    return;
  }
  grid.setAttribute("aria-activedescendant", `tenant-${index}`);
  write(byId("tenant-name"), tenant.name);
  const facts = [WORDS[standing(tenant)], `${plural(tenant.applied, "file", "files")} applied`];
  if (tenant.pending > 0) facts.push(`${number(tenant.pending)} pending`);
  if (tenant.unfinalized > 0) facts.push(`${number(tenant.unfinalized)} not finalized`);
  if (tenant.applied_at) facts.push(`last on ${dateAndTime(tenant.applied_at)}`);
  write(byId("tenant-facts"), facts.join(" · "));
  const { failure } = tenant;
  byId("tenant-failure").hidden = !failure;
  write(byId("tenant-failure"), failure ? [failure.step, failure.message].filter(Boolean).join(": ") : "");
}
