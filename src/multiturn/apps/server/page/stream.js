// The events of a session. The browser connects again by itself and asks for what follows the last
// event; a hidden tab does not listen, since a browser allows few connections.

const KINDS = ["started", "step", "text", "candidate", "repeated", "ran", "notice", "turn", "ended", "state", "reset", "deleted"];
const UNNUMBERED = new Set(["state", "reset", "deleted"]);

export class SessionStream {
  constructor(path, after, onEvent) {
    this.path = path;
    this.after = after;
    this.onEvent = onEvent;
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
        // Events without a number repeat the last one's.
        const isNumbered = !UNNUMBERED.has(kind);
        const number = isNumbered ? Number(event.lastEventId) : null;
        if (isNumbered) this.after = Math.max(this.after, number);
        this.onEvent(kind, JSON.parse(event.data), number);
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return; // it connects again by itself
      this.pause();
      this.timer = setTimeout(() => this.connect(), 2000);
    });
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
