// The events of a session. The browser connects again by itself and asks for what follows the last
// event; a hidden tab does not listen, since a browser allows few connections.

const KINDS = [
  "started",
  "step",
  "text",
  "candidate",
  "repeated",
  "ran",
  "notice",
  "turn",
  "ended",
  "state",
  "reset",
  "deleted",
];
const UNNUMBERED = new Set(["state", "reset", "deleted"]);
const AGAIN_MILLISECONDS = 2000;

export class SessionStream {
  // `handlers`: onEvent(kind, data, number or null), onConnection(isWorking), and onRefusal(), called
  // when the server answers otherwise than with events, for example after a restart.
  constructor(path, after, handlers) {
    this.path = path;
    this.after = after;
    this.handlers = handlers;
    this.source = null;
    this.timer = null;
    this.onVisibility = () => (document.hidden ? this.pause() : this.connect());
    document.addEventListener("visibilitychange", this.onVisibility);
    if (!document.hidden) this.connect();
  }

  connect() {
    if (this.source) return;
    const source = new EventSource(`${this.path}/events?after=${this.after}`);
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (source !== this.source) return;
        // The browser gives an event without a number that of the one before.
        const number = UNNUMBERED.has(kind) ? null : Number(event.lastEventId);
        if (number !== null) this.after = Math.max(this.after, number);
        this.handlers.onEvent(kind, JSON.parse(event.data), number);
      });
    }
    source.addEventListener("open", () => this.handlers.onConnection(true));
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      this.handlers.onConnection(false);
      if (source.readyState !== EventSource.CLOSED) return; // it connects again by itself
      this.pause();
      this.timer = setTimeout(() => this.connect(), AGAIN_MILLISECONDS);
      this.handlers.onRefusal();
    });
  }

  // What was loaded holds the events up to this one. Where later ones have come already, they come
  // again, since they are not in what was loaded.
  goOnAfter(number) {
    const isAhead = this.after > number;
    this.after = number;
    if (!isAhead || !this.source) return;
    this.pause();
    this.connect();
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    this.pause();
    document.removeEventListener("visibilitychange", this.onVisibility);
  }
}
