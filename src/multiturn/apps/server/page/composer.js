// The form for the next step. What is written in it survives a reload, for each session.

import { ask, button, byId, element } from "./dom.js";

export const EXAMPLE_HINT = "42, total == 42 or len(names) > 2";

export class Composer {
  // `write(body)` sends a step, and says whether it was taken; if not, what was written stays.
  constructor(write) {
    this.write = write;
    this.session = null;
    this.examples = [];
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    byId("prompt").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.send();
    });
    byId("prompt").addEventListener("input", () => this.keep());
    byId("add-example").addEventListener("click", () => this.addExample());
  }

  get draftName() {
    return `draft-${this.session.view.id}`;
  }

  open(session) {
    this.session = session;
    byId("count").value = session.view.settings.sampling.n;
    const draft = JSON.parse(localStorage.getItem(this.draftName) ?? "{}");
    byId("prompt").value = draft.prompt ?? "";
    this.examples = draft.examples ?? [];
    this.showExamples();
  }

  keep() {
    const prompt = byId("prompt").value;
    if (!prompt && !this.examples.length) localStorage.removeItem(this.draftName);
    else localStorage.setItem(this.draftName, JSON.stringify({ prompt, examples: this.examples }));
  }

  async send() {
    const prompt = byId("prompt").value;
    if (!prompt.trim() || !this.session || this.session.isBusy || this.isSending) return;
    const { draftName, examples } = this;
    this.isSending = true;
    try {
      const sampling = { n: Number(byId("count").value) || 1 };
      const isSent = await this.write({
        prompt,
        examples: examples.map((words) => ({ words })),
        sampling,
      });
      if (!isSent) return;
      // The session may have been opened again meanwhile, or another one.
      if (this.draftName === draftName) this.takeAway(prompt, examples);
      else localStorage.removeItem(draftName);
    } finally {
      this.isSending = false;
    }
    byId("job").scrollIntoView({ block: "nearest" });
  }

  // Clears what was sent; what was written while the answer was on its way stays.
  takeAway(prompt, examples) {
    const written = byId("prompt").value;
    byId("prompt").value = written.startsWith(prompt) ? written.slice(prompt.length).trimStart() : written;
    this.examples = this.examples.filter((words) => !examples.includes(words));
    this.keep();
    this.showExamples();
  }

  async addExample() {
    const words = await ask("Add an example", { hint: EXAMPLE_HINT, label: "What must the next step give?" });
    if (!words?.trim()) return;
    this.examples = [...this.examples, words.trim()];
    this.keep();
    this.showExamples();
  }

  showExamples() {
    const remove = (index) => {
      this.examples = this.examples.filter((_, other) => other !== index);
      this.keep();
      this.showExamples();
    };
    byId("next-examples").replaceChildren(
      ...this.examples.map((words, index) =>
        element(
          "li",
          {},
          words,
          " ",
          button("Remove", () => remove(index), { class: "plain", "aria-label": `Remove ${words}` }),
        ),
      ),
    );
  }
}
