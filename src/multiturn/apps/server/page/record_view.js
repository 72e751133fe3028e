// The record of a turn: who wrote each candidate and how; and the same again, from the record.

import { get, post } from "./api.js";
import { markedAgainst } from "./diff.js";
import { button, dialog, element } from "./dom.js";
import { reporting } from "./report_errors.js";
import { outputView } from "./turn_view.js";

const ORIGINS = { model: "the model", repair: "the model, as a repair", person: "a person" };

function facts(rows) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element(
    "table",
    {},
    element(
      "tbody",
      {},
      known.map(([name, value]) =>
        element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, String(value))),
      ),
    ),
  );
}

function candidateFacts({ origin, seed, tokens, mean_logprob: mean, copies, run, summary }) {
  const isWritten = origin !== "person";
  return facts([
    ["Written by", ORIGINS[origin]],
    ["Seed", seed],
    ["Tokens", isWritten ? tokens : null],
    ["Mean log-probability", mean?.toFixed(3)],
    ["Times written", copies > 1 ? copies : null],
    ["Run", summary],
    ["Isolation", run?.isolation],
    ["Seconds of CPU time", run?.cpu_seconds.toFixed(2)],
    ...(run?.notes ?? []).map((text) => ["Note", text]),
  ]);
}

const said = (same, yes, no, unknown) => (same === null ? unknown : same ? `✓ ${yes}` : `✗ ${no}`);

function replayed(replay, recorded) {
  const { same_model: model, same_prompt: prompt, same_code: code, same_output: output, run } = replay;
  const lines = [
    said(model, "the model is the recorded one", "another model is served than the recorded one", null),
    said(
      prompt,
      "its prompt is the recorded one",
      "its prompt is in no record, so the model wrote nothing",
      "a person wrote the code",
    ),
    said(code, "the model wrote the same code", "the model wrote other code", null),
    said(
      output,
      "the program ended and printed as recorded",
      "the program ended or printed otherwise",
      "it never ran",
    ),
  ];
  return [
    element(
      "ul",
      { class: "examples" },
      lines.filter(Boolean).map((line) => element("li", {}, line)),
    ),
    code === false ? markedAgainst(replay.code, recorded.code, "Code that was written this time") : null,
    output === false
      ? [
          element("h4", {}, `Output this time, ${run.isolation}`),
          ...outputView(run.stdout, { error: run.error, line: run.line, stderr: run.stderr }),
        ]
      : null,
  ].flat();
}

export async function showRecord(session, turn) {
  const detail = await get(`${session.path}/turns/${turn.id}`);
  const entry = (candidate) => {
    const result = element("div", { "aria-live": "polite" });
    const replay = reporting(async () => {
      result.replaceChildren(element("p", { class: "quiet" }, "writing and running it again…"));
      try {
        const found = await post(`${session.path}/turns/${turn.id}/replay`, { candidate: candidate.number });
        result.replaceChildren(...replayed(found, candidate).filter(Boolean));
      } catch (error) {
        result.replaceChildren();
        throw error;
      }
    });
    return element(
      "article",
      { "aria-label": `Candidate ${candidate.number}` },
      element(
        "h3",
        {},
        `Candidate ${candidate.number}`,
        candidate.number === detail.chosen ? " (chosen)" : "",
      ),
      candidateFacts(candidate),
      element(
        "div",
        { class: "row" },
        button("Replay", replay, { class: "primary", "aria-label": `Replay candidate ${candidate.number}` }),
      ),
      result,
    );
  };
  dialog(
    "Record",
    element("p", { class: "quiet" }, detail.prompt),
    facts([
      ["Turn", detail.id],
      ["Model", detail.model],
      ["Written at", new Date(detail.created_at).toLocaleString()],
    ]),
    element("div", { class: "side-by-side" }, detail.all_candidates.map(entry)),
  );
}
