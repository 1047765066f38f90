// What the steps print: live, searchable, and never more in the document than fits on the screen. Lines are text,
// whatever they look like.

import { get, outputPages } from "./api.js";
import { byId, element, write } from "./dom.js";
import { save } from "./export.js";
import { label, number, plural, timeOfDay } from "./format.js";

const LEVELS = { debug: 0, info: 1, warning: 2, error: 3 };

/** The most lines that the page holds; older ones are in the journal, and in the export. */
const MOST = 200_000;

/** Lines drawn above and below what is seen. */
const MARGIN = 20;

class Output {
  /** The run whose output is shown. */
  run = null;
  /** The newest run. */
  #newest = null;
  /** Whether somebody chose an earlier run. */
  #isChosen = false;
  #lines = [];
  /** The lines that pass the filter. */
  #passing = [];
  /** The number of the last line that is known. */
  #last = 0;
  /** How many lines were let go for want of room. */
  #dropped = 0;
  #isFollowing = true;
  #isLoading = false;
  /** Whether more came while lines were being loaded. */
  #wantsMore = false;
  #isDue = false;
  #timer = null;
  #names = new Map();
  #word = "";
  #level = 1;
  /** The height of a line, in pixels. */
  #height = 20;

  start() {
    const box = byId("lines");
    this.#height = Number.parseFloat(getComputedStyle(box).lineHeight);
    box.addEventListener("scroll", () => {
      const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - this.#height;
      this.#follow(isAtEnd && (this.#isFollowing || box.scrollTop > 0));
      this.#draw();
    });
    new ResizeObserver(() => this.#draw()).observe(box);
    byId("output-follow").addEventListener("click", () => {
      this.#follow(!this.#isFollowing);
      this.#draw();
    });
    byId("output-search").addEventListener("input", () => this.#filter());
    byId("output-level").addEventListener("change", () => this.#filter());
    byId("output-latest").addEventListener("click", () => this.choose(this.#newest));
    byId("output-export").addEventListener("click", () => this.#export());
  }

  /** Takes note of the newest run, and shows it unless somebody looks at an earlier one. */
  newest(run) {
    const isNew = run !== this.#newest;
    this.#newest = run;
    if (isNew && !this.#isChosen) this.#open(run);
    else this.refresh();
    this.#due();
  }

  /** Shows the output of a run. */
  choose(run) {
    this.#isChosen = run !== this.#newest;
    if (run !== this.run) this.#open(run);
    byId("output-heading").scrollIntoView({ block: "start" });
    byId("lines").focus({ preventScroll: true });
  }

  /** Names of steps, by index. */
  names(steps) {
    for (const { index, name } of steps) this.#names.set(index, name);
  }

  /** A line that the newest run has just written. */
  hears(line) {
    if (this.run !== this.#newest || this.#isLoading) {
      this.#wantsMore = true;
    } else if (line.sequence === this.#last + 1) {
      this.#append([line]);
    } else if (line.sequence > this.#last) {
      this.refresh();
    } else if (line.sequence === 0) {
      // Which place it gets among those of other workers, only the commit tells.
      this.refreshSoon();
    }
  }

  /** Loads what is missing, once for many events. */
  refreshSoon() {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.refresh();
    }, 1_000);
  }

  /** Loads what is missing. */
  async refresh() {
    if (this.#isLoading) {
      this.#wantsMore = true;
      return;
    }
    if (this.run === null) return;
    this.#isLoading = true;
    const { run } = this;
    try {
      do {
        this.#wantsMore = false;
        for await (const lines of outputPages(run, this.#last)) {
          if (run !== this.run) break;
          this.#append(lines);
        }
      } while (this.#wantsMore && run === this.run);
    } catch {
      // Whoever cannot be reached is asked again when the events come back.
    } finally {
      this.#isLoading = false;
    }
    if (run !== this.run) this.refresh();
  }

  #open(run) {
    this.run = run;
    [this.#lines, this.#passing, this.#last, this.#dropped] = [[], [], 0, 0];
    this.#follow(true);
    this.#due();
    this.refresh();
  }

  #append(lines) {
    for (const line of lines) {
      if (line.sequence <= this.#last) continue;
      this.#last = line.sequence;
      this.#lines.push(line);
      if (this.#passes(line)) this.#passing.push(line);
    }
    if (this.#lines.length > MOST) {
      // A quarter at once, so that it is seldom done.
      const rest = this.#lines.slice(MOST / 4);
      this.#dropped += this.#lines.length - rest.length;
      this.#lines = rest;
      this.#filter();
    }
    this.#due();
  }

  #filter() {
    this.#word = byId("output-search").value.toLowerCase();
    this.#level = Number(byId("output-level").value);
    this.#passing = this.#lines.filter((line) => this.#passes(line));
    this.#due();
  }

  #passes(line) {
    if (LEVELS[line.level] < this.#level) return false;
    return this.#word === "" || line.line.toLowerCase().includes(this.#word) || this.#step(line).toLowerCase().includes(this.#word);
  }

  #step({ index }) {
    if (index == null) return "";
    return label({ index, name: this.#names.get(index) ?? "" });
  }

  #follow(isFollowing) {
    this.#isFollowing = isFollowing;
    byId("output-follow").setAttribute("aria-pressed", String(isFollowing));
  }

  /** Draws with the next frame, however many lines come until then. */
  #due() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const box = byId("lines");
    const count = this.#passing.length;
    byId("lines-room").style.height = `${count * this.#height}px`;
    if (this.#isFollowing) box.scrollTop = box.scrollHeight;
    const first = Math.max(0, Math.floor(box.scrollTop / this.#height) - MARGIN);
    const last = Math.min(count, first + Math.ceil(box.clientHeight / this.#height) + 2 * MARGIN);
    const window = byId("lines-window");
    window.style.transform = `translateY(${first * this.#height}px)`;
    window.replaceChildren(...this.#passing.slice(first, last).map((line) => this.#row(line)));
    byId("lines-empty").hidden = count > 0;
    write(byId("lines-empty"), this.#lines.length > 0 ? "no line passes the filter" : "nothing was written");
    const all = this.#lines.length;
    const lines = count === all ? plural(all, "line", "lines") : `${number(count)} of ${plural(all, "line", "lines")}`;
    const dropped = this.#dropped > 0 ? `; the first ${number(this.#dropped)} are in the export` : "";
    write(byId("output-count"), this.run === null ? "" : lines + dropped);
    write(byId("output-heading"), this.run === null ? "Output" : `Output of run ${this.run}`);
    byId("output-latest").hidden = !this.#isChosen;
    byId("output-export").hidden = this.run === null;
  }

  #row(line) {
    return element(
      "div",
      { class: `line ${line.level}` },
      element("span", { class: "at" }, timeOfDay(line.written_at)),
      element("span", { class: "from" }, this.#step(line)),
      element("span", { class: "level" }, line.level === "info" ? "" : line.level),
      element("span", { class: "text" }, ...this.#marked(line.line)),
    );
  }

  /** The text, with what was searched for in marks. */
  #marked(text) {
    if (this.#word === "") return [text];
    const parts = [];
    const lower = text.toLowerCase();
    let from = 0;
    // Where letters change their number with their case, places do not fit, and nothing is marked.
    let at = lower.length === text.length ? lower.indexOf(this.#word) : -1;
    while (at >= 0) {
      parts.push(text.slice(from, at), element("mark", {}, text.slice(at, at + this.#word.length)));
      from = at + this.#word.length;
      at = lower.indexOf(this.#word, from);
    }
    parts.push(text.slice(from));
    return parts;
  }

  async #export() {
    const run = await get(`runs/${this.run}`);
    const output = [];
    for await (const lines of outputPages(run.id, 0)) output.push(...lines);
    save(`run-${run.id}.json`, { ...run, output });
  }
}

export const output = new Output();
