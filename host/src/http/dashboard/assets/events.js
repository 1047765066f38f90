// Live events of the host, over one long answer: <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//
// `EventSource` would read it, too, but it does not tell why a connection failed and forgets where it was when it is made
// anew. This one continues after the last event that it heard, waits longer after each failure, and says when the session
// is over.

/** Pauses before the next try, in milliseconds. The last one stays. */
const PAUSES = [1000, 2000, 4000, 8000];

/** The host writes something every 15 seconds at least; a connection that is silent for longer is dead. */
const SILENCE = 40_000;

export class Events {
  #last = null;
  #stop = new AbortController();
  #wake = () => {};

  /**
   * Listens until `close`. Calls `event(kind, data)` for each event, `connected()` when the host answers, `gone(pause)`
   * when it does not and will be asked again after a pause in milliseconds, and `over()` when the session is over.
   */
  constructor(listener) {
    this.#listen(listener);
    window.addEventListener("online", () => this.retry(), { signal: this.#stop.signal });
  }

  /** Tries again at once. */
  retry() {
    this.#wake();
  }

  close() {
    this.#stop.abort();
    this.#wake();
  }

  async #listen(listener) {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        const status = await this.#connect(listener, () => {
          failures = 0;
        });
        if (status === 401) {
          if (!this.#stop.signal.aborted) listener.over();
          return;
        }
      } catch {
        // Why it failed does not matter: it is tried again.
      }
      if (this.#stop.signal.aborted) return;
      const pause = PAUSES[Math.min(failures, PAUSES.length - 1)];
      failures += 1;
      listener.gone(pause);
      // Not all viewers at the same moment.
      await this.#sleep(pause * (1 + 0.4 * Math.random()));
    }
  }

  async #connect(listener, heard) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE);
    try {
      const answer = await fetch("api/v1/events", {
        headers: this.#last === null ? {} : { "Last-Event-ID": this.#last },
        signal: AbortSignal.any([this.#stop.signal, silence.signal]),
        cache: "no-store",
      });
      if (!answer.ok) return answer.status;
      listener.connected();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 0;
        heard();
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE);
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.#read(block, listener);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #read(block, listener) {
    let kind = "message";
    let data = "";
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const value = line.slice(colon + 1).replace(/^ /, "");
      switch (line.slice(0, colon)) {
        case "event":
          kind = value;
          break;
        case "data":
          data += value;
          break;
        case "id":
          this.#last = value;
          break;
      }
    }
    if (data) listener.event(kind, JSON.parse(data));
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
