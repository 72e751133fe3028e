// All candidates of a turn side by side, with code and output; what differs from the chosen is marked.

import { get } from "./api.js";
import { button, dialog, element } from "./dom.js";
import { markedAgainst } from "./diff.js";
import { statusChip } from "./turn_view.js";

export async function showCandidates(session, turn, pick) {
  const detail = await get(`${session.path}/turns/${turn.id}`);
  const chosen = detail.all_candidates[detail.chosen - 1];
  const box = dialog(
    "Candidates",
    element("p", { class: "quiet" }, detail.prompt, " — lines that differ from the chosen one are marked."),
    element(
      "div",
      { class: "side-by-side wide" },
      detail.all_candidates.map((candidate) =>
        element(
          "article",
          {
            class: candidate.number === detail.chosen ? "chosen" : null,
            "aria-label": `Candidate ${candidate.number}`,
          },
          element(
            "h3",
            {},
            `Candidate ${candidate.number}`,
            candidate.number === detail.chosen ? " (chosen)" : "",
          ),
          statusChip(candidate.good, candidate.summary),
          markedAgainst(candidate.code, chosen.code, `Code of candidate ${candidate.number}`),
          candidate.run?.stdout
            ? markedAgainst(
                candidate.run.stdout,
                chosen.run?.stdout ?? "",
                `Output of candidate ${candidate.number}`,
              )
            : element("p", { class: "quiet" }, "no output"),
          candidate.run?.error ? element("p", { class: "error" }, candidate.run.error) : null,
          element(
            "div",
            { class: "row" },
            button(
              "Pick",
              () => {
                box.close();
                pick(candidate.number);
              },
              {
                disabled: candidate.number === detail.chosen,
                "data-pick": candidate.number,
                "aria-label": `Pick candidate ${candidate.number}`,
              },
            ),
            element(
              "span",
              { class: "quiet" },
              {
                model: candidate.copies > 1 ? `written ${candidate.copies} times` : "",
                repair: "a repair",
                person: "by hand",
              }[candidate.origin],
            ),
          ),
        ),
      ),
    ),
  );
}
