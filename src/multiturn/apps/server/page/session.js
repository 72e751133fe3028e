// The open session: what the server said last, and what the running job has shown since.

import { get, patch, post, startJob } from "./api.js";
import { SessionStream } from "./stream.js";

// Dispatches `view` when everything may have changed, `job` when the running job has, `text` when
// text of it came, `connection` when the stream of events broke or works again, and `deleted`.
export class OpenSession extends EventTarget {
  constructor(view) {
    super();
    this.take(view);
    this.stream = new SessionStream(this.path, view.last_event, {
      onEvent: (kind, data, number) => this.onEvent(kind, data, number),
      onConnection: (isWorking) => {
        this.isConnected = isWorking;
        this.tell("connection");
      },
      onRefusal: () => this.reload(),
    });
  }

  static async load(id) {
    return new OpenSession(await get(`/api/sessions/${id}`));
  }

  get path() {
    return `/api/sessions/${this.view.id}`;
  }

  get isBusy() {
    return this.job?.state === "running";
  }

  close() {
    this.isClosed = true;
    this.stream.close();
  }

  take(view) {
    this.view = view;
    this.job = view.job;
    this.isOutdated = false;
    this.stream?.goOnAfter(view.last_event);
    this.tell("view");
  }

  tell(what, detail = undefined) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  // Loads the session. Calls while it loads make it load once more.
  reload() {
    this.isOutdated = true;
    this.loading ??= this.load().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  async load() {
    try {
      while (this.isOutdated && !this.isClosed) {
        this.isOutdated = false;
        const view = await get(this.path);
        const isOutdatedAgain = this.isOutdated;
        if (!this.isClosed) this.take(view);
        this.isOutdated = isOutdatedAgain;
      }
    } catch (error) {
      this.isOutdated = true; // it loads when the stream of events works again
      if (error.status === 404) this.tell("deleted");
      else this.tell("fault", error);
    }
  }

  // Sends a change. A refusal because of another window loads the session again.
  async changing(send) {
    await this.loading; // a change is for the version that is shown
    try {
      return await send();
    } catch (error) {
      if (error.status === 409) await this.reload();
      throw error;
    }
  }

  async start(path, body, method) {
    const job = await this.changing(() => startJob(`${this.path}/${path}`, body, this.view.version, method));
    if (this.endedJob === job.id) return; // its events were faster than the answer
    if (this.job?.id !== job.id) {
      this.job = job;
      this.view.last_event = Math.max(this.view.last_event, job.last_event);
      this.tell("job");
    }
    if (job.state !== "running") await this.reload();
  }

  async change(path, body) {
    this.take(await this.changing(() => post(`${this.path}/${path}`, body, this.view.version)));
  }

  async update(body) {
    this.take(await this.changing(() => patch(this.path, body, this.view.version)));
  }

  cancel() {
    return this.job ? post(`${this.path}/jobs/${this.job.id}/cancel`) : null;
  }

  // The server puts a job together from its events in the same way, for a page that loads.
  onEvent(kind, data, number) {
    if (number !== null && number <= this.view.last_event) return; // it is in what was loaded
    switch (kind) {
      case "state":
        if (this.isOutdated || (data.version !== this.view.version && !this.isBusy)) this.reload();
        return;
      case "reset":
        this.reload();
        return;
      case "deleted":
        this.tell("deleted");
        return;
      case "started":
        if (this.job?.id !== data.job) {
          this.job = {
            id: data.job,
            kind: data.kind,
            prompt: data.prompt,
            turn: data.turn,
            candidates: [],
            notices: [],
          };
        }
        this.job.state = "running";
        this.tell("job");
        return;
      case "ended":
        this.endedJob = data.job;
        if (this.job?.id === data.job) this.job.state = data.state;
        this.reload();
        return;
      case "turn":
        if (this.job?.kind === "follow") this.reload();
        return;
      default:
        if (this.job?.id === data.job) this.onShown(kind, data);
    }
  }

  // What the job shows: text, candidates, notices.
  onShown(kind, data) {
    if (kind === "text") {
      for (const [index, text] of data.texts) {
        const candidate = this.candidate(index);
        candidate.text += text;
        this.tell("text", { candidate, text });
      }
      return;
    }
    if (kind === "step") Object.assign(this.job, { candidates: [], prompt: data.prompt, turn: data.turn });
    else if (kind === "notice") this.job.notices.push(data.text);
    else this.candidate(data.index).candidate = data.candidate;
    this.tell("job");
  }

  candidate(index) {
    let found = this.job.candidates.find((each) => each.index === index);
    if (!found) {
      found = { index, text: "", candidate: null };
      this.job.candidates.push(found);
      this.job.candidates.sort((one, other) => one.index - other.index);
      this.tell("job");
    }
    return found;
  }
}
