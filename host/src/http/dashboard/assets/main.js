// The page, from the sign-in to the last event: asks where the target stands, listens to what happens, and has each panel
// show its part of it.

import * as actions from "./actions.js";
import { Refused, get, session } from "./api.js";
import * as badRows from "./bad-rows.js";
import * as chart from "./chart.js";
import * as checks from "./checks.js";
import { byId, element, write } from "./dom.js";
import { Events } from "./events.js";
import * as failure from "./failure.js";
import * as history from "./history.js";
import { Model } from "./model.js";
import { output } from "./output.js";
import * as run from "./run.js";
import * as signIn from "./sign-in.js";
import * as stepper from "./stepper.js";
import * as steps from "./steps.js";
import * as tenants from "./tenants.js";

/** How often the host is asked where the target stands while nothing runs in it: another host may have begun a run. */
const LOOK = 5_000;

/** How long to wait at first before signing in anew with a session that was good a moment ago, and at most. */
const [AGAIN, AGAIN_AT_MOST] = [1_000, 30_000];

/** How long what happened waits to be shown together with what follows. */
const PAUSE = 100;

const model = new Model();
let isReader = false;
let events = null;
let isDue = false;
let announced = "";
let looking = 0;
/** How often the session was over since the host last answered. */
let turnedAway = 0;
/** Whether the run that the address names was gone to. */
let hasFollowed = false;

function show() {
  const { overview } = model;
  if (!overview) return;
  const [name, text] = stepper.inWords(overview.state, overview.last_run?.phase);
  stepper.show(byId("stepper"), overview);
  write(byId("state-text"), text);
  write(byId("target-name"), overview.target);
  byId("target").hidden = false;
  const problems = byId("problems");
  problems.hidden = overview.problems.length === 0;
  problems.replaceChildren(...overview.problems.map((problem) => element("li", {}, problem)));
  // Nobody gives commands to a host that does not hear them.
  const mayAct = !isReader && byId("link").dataset.link === "live";
  actions.show(mayAct);
  failure.show(model, mayAct);
  run.show(model);
  chart.show(model);
  tenants.show(model);
  badRows.show(model);
  checks.show(mayAct);
  steps.show(model);
  history.show();
  document.title = `${name} · ${overview.target}`;
  if (announced && announced !== name) write(byId("announcement"), `The state is now: ${name}.`);
  announced = name;
}

/** Shows everything after a pause, however much happens until then. */
function due() {
  if (isDue) return;
  isDue = true;
  // Not in a frame: a page in the background has none, and its title tells the state all the same.
  setTimeout(() => {
    isDue = false;
    show();
  }, PAUSE);
}

/** Takes note of where the target stands, and asks for what belongs to it. */
async function stand(overview) {
  model.stands(overview);
  output.names(overview.steps);
  output.newest(overview.last_run?.id ?? null);
  due();
  await Promise.all([history.load(), steps.load(model), tenants.load(model)]);
  due();
  if (!hasFollowed) {
    hasFollowed = true;
    await history.follow();
  }
}

/** Looks again after a while, for as long as no events tell. */
function keepLooking() {
  clearTimeout(looking);
  const { heard } = model;
  looking = setTimeout(async () => {
    const isQuiet = heard === model.heard;
    if (isQuiet && !document.hidden && byId("link").dataset.link === "live") await look();
    keepLooking();
  }, LOOK);
}

/** Asks the host where the target stands, and takes note of it when it is news. */
async function look() {
  const { heard } = model;
  try {
    const overview = await get("status");
    byId("banner").hidden = true;
    const facts = ({ last_run: last, state, steps, problems, pause }) => JSON.stringify([last, state, steps, problems, pause]);
    // What was heard while the answer was on its way is newer.
    if (heard === model.heard && facts(overview) !== facts(model.overview)) await stand(overview);
  } catch (refused) {
    trouble(refused.message);
  }
}

/** Asks the host what holds the run up: that changes without a word of the run, too. */
async function lookForPause() {
  const { pause } = await get("status");
  if (model.overview) model.overview.pause = pause;
  due();
}

function trouble(text) {
  write(byId("banner-text"), text);
  byId("banner").hidden = false;
}

function link(state, text) {
  byId("link").dataset.link = state;
  write(byId("link"), text);
  due();
}

const listener = {
  connected() {
    turnedAway = 0;
    link("live", "live");
    byId("banner").hidden = true;
  },
  gone(pause) {
    link("gone", "not connected");
    trouble(`The host does not answer; what you see is what it said last. Trying again in ${Math.round(pause / 1000) || 1} s.`);
  },
  over: signedOut,
  event(kind, data) {
    if (kind === "overview") {
      stand(data).catch((refused) => trouble(refused.message));
      return;
    }
    if (data.event === "output") {
      output.hears(data);
      return;
    }
    model.hears(data);
    if (data.event === "run_started") {
      output.newest(data.run);
      history.load().then(due, () => {});
    }
    if (data.event === "step_ended") output.refreshSoon();
    if (data.event === "run_ended") look();
    if (data.event === "paused" || data.event === "resumed") lookForPause().catch((refused) => trouble(refused.message));
    due();
  },
};

function signedOut() {
  // Several requests may be told so at the same time.
  if (!events) return;
  events.close();
  events = null;
  clearTimeout(looking);
  // One host may refuse what another takes: nobody is asked again and again at once.
  const pause = turnedAway === 0 ? 0 : Math.min(AGAIN * 2 ** (turnedAway - 1), AGAIN_AT_MOST);
  turnedAway += 1;
  setTimeout(begin, pause);
}

async function begin() {
  let who;
  try {
    who = await signIn.known();
  } catch (refused) {
    link("gone", "not connected");
    trouble(`${refused.message}; trying again`);
    setTimeout(begin, LOOK);
    return;
  }
  byId("banner").hidden = true;
  if (!who.access) {
    link("out", "not signed in");
    for (const id of ["main", "target", "sign-out", "read-only", "banner"]) byId(id).hidden = true;
    byId("confirm").close("no");
    document.title = "Sign in · wasmigrate";
    who = await signIn.ask(who);
  }
  isReader = who.access === "read-only";
  model.mayFinalize = who.access === "full";
  byId("read-only").hidden = !isReader;
  byId("sign-out").hidden = false;
  byId("main").hidden = false;
  link("connecting", "connecting");
  events = new Events(listener);
  keepLooking();
}

function start() {
  session.over = signedOut;
  actions.start(model, lookForPause);
  history.start(model, (run) => output.choose(run));
  output.start();
  tenants.start();
  badRows.start();
  checks.start();
  new ResizeObserver(() => due()).observe(byId("chart"));
  window.addEventListener("hashchange", () => history.follow().catch((refused) => trouble(refused.message)));
  byId("banner-retry").addEventListener("click", () => events?.retry());
  byId("sign-out").addEventListener("click", async () => {
    await signIn.signOut();
    // Nothing of what was seen stays behind.
    location.reload();
  });
  window.addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof Refused)) return;
    event.preventDefault();
    trouble(event.reason.message);
  });
  // Durations go on while nothing happens.
  setInterval(() => {
    if (model.isRunning && byId("link").dataset.link === "live") due();
  }, 1000);
  begin();
}

start();
