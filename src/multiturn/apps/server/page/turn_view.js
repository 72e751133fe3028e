// One turn of the notebook: its prompt, code, output, examples and variables.

import { button, element } from "./dom.js";
import { highlighted } from "./highlight.js";

export function outputView(printed, { cut = false, error = null, line = null, stderr = "", of = "" } = {}) {
  const parts = [];
  if (printed)
    parts.push(
      element(
        "pre",
        { class: "output", tabindex: "0", role: "region", "aria-label": `Output${of}` },
        printed,
      ),
    );
  if (cut)
    parts.push(
      element("p", { class: "quiet" }, "There is more output; Candidates shows all that is stored."),
    );
  if (error) {
    const place = line ? ` (line ${line} of the program)` : "";
    parts.push(element("p", { class: "error" }, `${error}${place}`));
  } else if (stderr) {
    parts.push(
      element(
        "pre",
        { class: "output stderr", tabindex: "0", role: "region", "aria-label": `Standard error${of}` },
        stderr,
      ),
    );
  }
  return parts;
}

export function statusChip(good, summary) {
  return element("span", { class: good ? "chip good" : "chip bad" }, good ? "✓ " : "✗ ", summary);
}

function valuesView(values) {
  if (!values?.length) return null;
  const changed = values.filter((each) => each.changed).length;
  return element(
    "details",
    { class: "values" },
    element("summary", {}, `Variables: ${values.length}${changed ? `, ${changed} new or changed` : ""}`),
    element(
      "table",
      {},
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ["Name", "Value", ""].map((text) => element("th", { scope: "col" }, text)),
        ),
      ),
      element(
        "tbody",
        {},
        values.map(({ name, value, changed: isNew }) =>
          element(
            "tr",
            { class: isNew ? "changed" : null },
            element("th", { scope: "row" }, name),
            element("td", {}, value),
            element("td", {}, isNew ? "changed" : ""),
          ),
        ),
      ),
    ),
  );
}

function examplesView(turn, actions) {
  if (!turn.examples.length) return null;
  return element(
    "ul",
    { class: "examples", "aria-label": "What this step must give" },
    turn.examples.map((example) =>
      element(
        "li",
        { class: example.passes ? "good" : "bad" },
        example.passes ? "✓ " : "✗ ",
        example.description,
        " ",
        actions ? button("Remove", () => actions.unexpect(turn, example), { class: "plain" }) : null,
      ),
    ),
  );
}

// `actions` is null for a turn that cannot be changed, such as a stale one.
export function turnView(turn, number, actions, { language, isCurrent = false }) {
  const name = `turn-${turn.id}`;
  return element(
    "li",
    {
      class: turn.good ? "turn" : "turn failed",
      id: name,
      tabindex: "-1",
      "data-turn": turn.id,
      "aria-labelledby": `${name}-prompt`,
      "aria-current": isCurrent ? "step" : null,
    },
    element(
      "div",
      { class: "turn-head" },
      element("span", { class: "number", "aria-hidden": "true" }, String(number)),
      element("p", { class: "prompt", id: `${name}-prompt` }, turn.prompt),
      statusChip(turn.good, turn.summary),
    ),
    element(
      "pre",
      { class: "code", tabindex: "0", role: "region", "aria-label": `Code of turn ${number}` },
      highlighted(turn.code, language),
    ),
    outputView(turn.printed, {
      cut: turn.printed_cut,
      error: turn.error,
      line: turn.line,
      stderr: turn.stderr,
      of: ` of turn ${number}`,
    }),
    examplesView(turn, actions),
    valuesView(turn.values),
    actions
      ? element(
          "div",
          { class: "row actions" },
          button("Retry", () => actions.retry(turn)),
          turn.good ? null : button("Repair", () => actions.repair(turn)),
          button(`Candidates (${turn.candidates})`, () => actions.candidates(turn)),
          button("Edit code", () => actions.editCode(turn)),
          button("Edit prompt", () => actions.editPrompt(turn)),
          button("Add an example", () => actions.expect(turn)),
          turn.printed.trim() ? button("Expect this output", () => actions.expectOutput(turn)) : null,
          button("Record", () => actions.record(turn)),
          isCurrent
            ? button("Undo", () => actions.undo(turn))
            : button("Branch from here", () => actions.branch(turn)),
          element(
            "span",
            { class: "quiet" },
            turn.edited ? "edited by hand" : (turn.model ?? ""),
            turn.isolation ? ` · ran in ${turn.isolation}` : "",
          ),
        )
      : null,
  );
}
