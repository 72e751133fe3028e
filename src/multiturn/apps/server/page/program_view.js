// The whole program on one side, with copy, download and another run.

import { post } from "./api.js";
import { button, byId, element, note } from "./dom.js";
import { highlighted } from "./highlight.js";
import { outputView } from "./turn_view.js";

export class ProgramView {
  constructor() {
    this.session = null;
  }

  get isOpen() {
    return !byId("program").hidden;
  }

  toggle() {
    byId("program").hidden = this.isOpen;
    byId("show-program").setAttribute("aria-pressed", String(this.isOpen));
    this.show(this.session);
  }

  async show(session) {
    this.session = session;
    if (!this.isOpen || !session) return;
    const place = byId("program");
    const { view } = session;
    if (view.current === null) {
      place.replaceChildren(element("p", { class: "quiet" }, "There is no program yet."));
      return;
    }
    const [file] = view.formats; // that of its language
    const answer = await fetch(`${session.path}/export/${file}`);
    if (!answer.ok || session !== this.session || view !== session.view) return;
    const program = await answer.text();
    const output = element("div", { "aria-live": "polite" });
    const run = async () => {
      output.replaceChildren(element("p", { class: "quiet" }, "running…"));
      try {
        const found = await post(`${session.path}/run`);
        output.replaceChildren(
          element("p", { class: "quiet" }, `${found.summary}, ${found.isolation}`),
          ...outputView(found.stdout, { error: found.error, line: found.line, stderr: found.stderr }),
        );
      } catch (error) {
        output.replaceChildren(element("p", { class: "error" }, error.message));
      }
    };
    const copy = async () => {
      await navigator.clipboard.writeText(program);
      note("Copied.");
    };
    place.replaceChildren(
      element(
        "div",
        { class: "row" },
        element("h2", {}, "Program"),
        button("Run", run),
        button("Copy", copy),
        ...[...view.formats, "json"].map((suffix) =>
          element(
            "a",
            { class: "button", href: `${session.path}/export/${suffix}`, download: "" },
            `.${suffix}`,
          ),
        ),
      ),
      element(
        "pre",
        { class: "code", tabindex: "0", role: "region", "aria-label": "The program" },
        highlighted(program, view.language),
      ),
      output,
    );
  }
}
