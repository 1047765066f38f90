// What the page knows: where the target stands, and what the newest run does. It is made of what the host says when it is
// asked (`stands`, `history`) and kept up to date by its events (`hears`); nothing here touches the document.

import { label } from "./format.js";
import { Pace } from "./pace.js";

/** The state that the target is in while a run is in this phase; docs/states.md has them all. */
const STATES = {
  prepare: "migration_preparing",
  migrate: "migration_running",
  reset: "migration_running",
  finalize: "finalization_running",
};

/** How far a step is that ended well in this phase. */
const PROGRESS = { migrate: "migrated", finalize: "finalized", reset: "pending" };

export class Model {
  /** What the host answered to `status`; none before it did. */
  overview = null;
  /** The newest runs, the newest first. */
  runs = [];
  /** What the newest run did with each step, in the order in which it came to them. */
  attempts = [];
  /** The step that runs; none when none does. */
  current = null;
  /** How many steps the run has, where the page heard it. */
  stepsOfRun = null;
  /** What the run is loading before its first step. */
  loading = null;
  /** What its operator should know. */
  warnings = [];
  /** How many events were heard. */
  heard = 0;
  /** Whether the run is in the host that answers. */
  isHere = false;
  /** Whether whoever looks may give commands that cannot be taken back. */
  mayFinalize = true;
  pace = new Pace();
  /** Rows of steps that are done. */
  #rowsBefore = 0;
  /** Steps that have run in a transaction that is not committed yet, by their labels. */
  #uncommitted = new Map();
  /** What is to be added to this machine's clock to get the host's; none before an event told it. */
  #clock = null;

  /** The host's time, in milliseconds since 1970. */
  now() {
    return Date.now() + (this.#clock ?? 0);
  }

  get run() {
    return this.overview?.last_run ?? null;
  }

  get isRunning() {
    return ["migration_preparing", "migration_running", "finalization_running"].includes(this.overview?.state);
  }

  /** Whether an operator wants the run to rest. */
  get isPaused() {
    return this.isRunning && this.overview.pause?.requested_by != null;
  }

  /** Whether the run would pause if somebody said so: a finalize, a reset never does. */
  get mayPause() {
    return this.isRunning && !this.isPaused && ["prepare", "migrate"].includes(this.run?.phase);
  }

  /** Takes note of where the target stands. */
  stands(overview) {
    const isAnother = overview.last_run?.id !== this.run?.id;
    if (isAnother) this.#forgetRun();
    this.overview = overview;
    if (!this.mayFinalize) overview.commands = overview.commands?.filter((command) => command === "migrate");
    this.isHere = overview.running != null;
    if (overview.running) {
      const { step, samples } = overview.running;
      this.current = step;
      this.pace = new Pace(samples);
      const rows = samples.at(-1)?.rows ?? 0;
      this.#rowsBefore = Math.max(0, rows - (step?.unit === "rows" ? (step.done ?? 0) : 0));
      if (step) this.stepsOfRun = step.of;
    } else {
      this.current = null;
    }
  }

  /** Takes note of the newest runs. */
  history(runs) {
    this.runs = runs;
    const newest = runs[0];
    if (!newest || newest.id !== this.run?.id) return;
    // The event that a run began does not tell the host's name.
    this.run.host = newest.host;
    const known = new Set(this.attempts.map(key));
    for (const attempt of newest.attempts) {
      const told = { ...attempt, step: label(attempt) };
      if (!known.has(key(told))) this.attempts.push(told);
    }
    this.attempts.sort((one, other) => one.started_at - other.started_at);
  }

  /** Takes note of an event. */
  hears(event) {
    const { at } = event;
    this.heard += 1;
    // The event that was the least time on its way says it best.
    this.#clock = Math.max(at - Date.now(), this.#clock ?? -Infinity);
    switch (event.event) {
      case "run_started":
        this.#begin(event);
        break;
      case "warning":
        this.warnings.push(event.message);
        break;
      case "loading":
        this.loading = event;
        break;
      case "prepared":
        this.loading = null;
        this.stepsOfRun = event.steps;
        if (this.overview && event.rows != null) this.overview.rows = { expected: event.rows, done: 0 };
        break;
      case "step_started":
        this.#enter(event.phase);
        this.stepsOfRun = event.of;
        this.current = { ...event, started_at: at, done: null, total: null, unit: "rows" };
        this.pace.add(at, this.#rowsBefore);
        break;
      case "progress":
        if (this.current) Object.assign(this.current, { done: event.done, total: event.total, unit: event.unit });
        if (event.unit === "rows") this.#counted(at, this.#rowsBefore + event.done);
        break;
      case "step_ran":
        // Told as done when its transaction is committed.
        this.#uncommitted.set(event.step, { ...this.current, ended_at: at });
        this.current = null;
        break;
      case "step_ended":
        this.#ended(event);
        break;
      case "retrying":
        this.warnings.push(`${event.step} is tried again (attempt ${event.attempt}): ${event.message}`);
        break;
      case "run_ended":
        this.current = null;
        this.loading = null;
        this.isHere = false;
        break;
    }
  }

  #forgetRun() {
    this.attempts = [];
    this.current = null;
    this.stepsOfRun = null;
    this.loading = null;
    this.warnings = [];
    this.pace = new Pace();
    this.#rowsBefore = 0;
    this.#uncommitted.clear();
  }

  #begin({ run, command, steps, at }) {
    this.#forgetRun();
    this.stepsOfRun = steps;
    this.isHere = true;
    if (!this.overview) return;
    const phase = command === "reset" ? "reset" : "prepare";
    Object.assign(this.overview, { commands: [], failure: null, rows: null, running: null, pause: null });
    this.overview.last_run = { id: run, command, phase, outcome: null, host: "", started_at: at, ended_at: null };
    this.#enter(phase);
  }

  #enter(phase) {
    if (!this.overview) return;
    this.overview.state = STATES[phase] ?? this.overview.state;
    if (this.run) this.run.phase = phase;
  }

  #ended({ step, phase, outcome, milliseconds, at }) {
    const ran = this.#uncommitted.get(step) ?? this.current;
    const of = ran?.step === step ? ran : null;
    const attempt = of?.attempt ?? 1;
    const end = of?.ended_at ?? at;
    this.#uncommitted.delete(step);
    const known = this.overview?.steps.find((known) => label(known) === step);
    const index = known?.index ?? Number.parseInt(step, 10);
    this.attempts.push({ step, index, phase, attempt, outcome, started_at: end - milliseconds, ended_at: end });
    if (outcome === "done") {
      if (of?.unit === "rows") this.#rowsBefore += of.done ?? 0;
      if (known) known.progress = PROGRESS[phase] ?? known.progress;
      this.#counted(at, this.#rowsBefore);
    }
    if (this.current?.step === step) this.current = null;
  }

  #counted(at, rows) {
    this.pace.add(at, rows);
    const known = this.overview?.rows;
    if (known) known.done = Math.min(known.expected, rows);
  }
}

const key = (attempt) => `${attempt.step}/${attempt.phase}/${attempt.attempt}`;
