// The host's own protocol: docs/service.md and /openapi.json.

/** A request that the host turned down, or that never reached it (`status` 0). */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Who is told when the session is over. */
export const session = { over: () => {} };

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(`api/v1/${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new Refused(0, "the host does not answer");
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let said = {};
  try {
    said = JSON.parse(text);
  } catch {
    // A proxy in between answers in its own words.
  }
  if (answer.ok) return said;
  if (answer.status === 401 && path !== "session") session.over();
  throw new Refused(answer.status, said.detail ?? `the host answers with status ${answer.status}`);
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const remove = (path) => ask("DELETE", path);

/** The most lines or runs that one answer holds. */
const PAGE = 1000;

/** The lines of a run after the one with this number, page by page. */
export async function* outputPages(run, after) {
  for (;;) {
    const page = await get(`runs/${run}/output?after=${after}&most=${PAGE}`);
    if (page.lines.length > 0) yield page.lines;
    if (page.lines.length < PAGE) return;
    after = page.next;
  }
}

/** All runs, the newest first, page by page. */
export async function* runPages() {
  let before = "";
  for (;;) {
    const runs = await get(`runs?most=100${before}`);
    if (runs.length > 0) yield runs;
    if (runs.length < 100) return;
    before = `&before=${runs.at(-1).id}`;
  }
}
