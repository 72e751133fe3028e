// The notebook: the turns of the program, what is stale, and the step that is being written.

import { button, byId, element } from "./dom.js";
import { outputView, statusChip, turnView } from "./turn_view.js";
import { highlighted } from "./highlight.js";

export class Notebook {
  constructor(actions) {
    this.actions = actions;
    this.known = new Map(); // elements by turn, with what they show: unchanged turns are not made again
    this.texts = new Map();
  }

  show(session) {
    const { path, stale, language } = session.view;
    this.language = language;
    byId("empty").hidden = path.length > 0 || Boolean(session.job);
    const shown = new Map();
    const elements = path.map((turn, index) => {
      const isCurrent = index === path.length - 1;
      const key = JSON.stringify([turn, index, isCurrent, language]);
      const before = this.known.get(turn.id);
      const made =
        before?.key === key ? before.made : turnView(turn, index + 1, this.actions, { isCurrent, language });
      shown.set(turn.id, { key, made });
      return made;
    });
    this.known = shown;
    const list = byId("turns");
    const focused = document.activeElement?.closest?.(".turn")?.id;
    elements.forEach((made, index) => {
      if (list.children[index] !== made) list.insertBefore(made, list.children[index] ?? null);
    });
    while (list.children.length > elements.length) list.lastChild.remove();
    if (focused && !document.activeElement?.closest?.(".turn")) byId(focused)?.focus();
    this.showStale(stale, path.length);
    this.showJob(session);
  }

  showStale(stale, before) {
    const place = byId("stale");
    place.hidden = stale.length === 0;
    if (!stale.length) {
      place.replaceChildren();
      return;
    }
    place.replaceChildren(
      element(
        "div",
        { class: "row stale-head" },
        element(
          "strong",
          {},
          stale.length === 1 ? "1 later turn is stale" : `${stale.length} later turns are stale`,
        ),
        button("Run them again", () => this.actions.follow(false), { class: "primary" }),
        button("Write them again", () => this.actions.follow(true)),
      ),
      element(
        "ol",
        { start: before + 1 },
        stale.map((turn, index) => turnView(turn, before + index + 1, null, { language: this.language })),
      ),
    );
  }

  showJob({ job }) {
    const place = byId("job");
    if (job) byId("empty").hidden = true;
    place.hidden = !job;
    this.texts.clear();
    if (!job) {
      place.replaceChildren();
      return;
    }
    const running = job.state === "running";
    const states = {
      running: "is being written",
      interrupted: "was interrupted: the server ended",
      cancelled: "was cancelled",
      failed: "failed",
      saved: "is saved",
    };
    place.replaceChildren(
      element(
        "div",
        { class: "turn-head" },
        element(
          "p",
          { class: "prompt" },
          job.prompt ??
            {
              retry: "More candidates",
              repair: "Repair",
              expect: "Examples",
              unexpect: "Examples",
              edit: "Your code",
              follow: "Stale turns",
            }[job.kind] ??
            "",
        ),
        element("span", { class: running ? "chip busy" : "chip bad", role: "status" }, states[job.state]),
        running
          ? button("Cancel", () => this.actions.cancel(), { "aria-keyshortcuts": "Escape" })
          : [
              job.can_retry ? button("Retry", () => this.actions.retryJob(job), { class: "primary" }) : null,
              button("Dismiss", () => this.actions.dismiss(job)),
            ],
      ),
      job.error ? element("p", { class: "error" }, job.error.message) : "",
      ...job.notices.map((text) => element("p", { class: "quiet" }, text)),
      element(
        "div",
        { class: "side-by-side" },
        job.candidates.map((entry) => this.candidateView(entry, job.candidates.length, running)),
      ),
    );
  }

  candidateView({ index, text, candidate }, count, running) {
    let code;
    if (candidate) {
      code = element(
        "pre",
        { class: "code", tabindex: "0", role: "region", "aria-label": `Code of candidate ${index + 1}` },
        highlighted(candidate.code, this.language),
      );
    } else {
      const written = document.createTextNode(text);
      this.texts.set(index, written);
      code = element(
        "pre",
        {
          class: running ? "code writing" : "code",
          tabindex: "0",
          role: "region",
          "aria-label": `Code of candidate ${index + 1}`,
        },
        written,
      );
    }
    return element(
      "article",
      {},
      count > 1 ? element("h3", {}, `Candidate ${index + 1}`) : null,
      code,
      candidate?.run
        ? [
            statusChip(candidate.good, candidate.summary),
            outputView(candidate.run.stdout, { error: candidate.run.error, line: candidate.run.line }),
          ]
        : null,
    );
  }

  addText(candidate, text) {
    this.texts.get(candidate.index)?.appendData(text);
  }
}
