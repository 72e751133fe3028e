// What a person can do with a turn. Each action takes the turn; `session()` is the open one.

import { showCandidates } from "./candidates_view.js";
import { codeEditor } from "./code_editor.js";
import { EXAMPLE_HINT } from "./composer.js";
import { ask, note } from "./dom.js";
import { showRecord } from "./record_view.js";
import { reporting } from "./report_errors.js";

export function turnActions(session) {
  const actions = {
    retry: reporting(async (turn) => {
      const given = await ask("Retry", { label: "How many more candidates", value: "1", save: "Write them" });
      if (given !== null) await session().start(`turns/${turn.id}/retry`, { count: Number(given) });
    }),
    repair: reporting((turn) => session().start(`turns/${turn.id}/repair`, {})),
    candidates: reporting((turn) => {
      const pick = (number) => session().change(`turns/${turn.id}/pick`, { candidate: number });
      return showCandidates(session(), turn, reporting(pick));
    }),
    editCode: reporting((turn) =>
      ask("Edit code", {
        value: turn.code,
        label: `Code of the step: ${turn.prompt}`,
        save: "Run it",
        hint: "Ctrl+Enter runs it. Tab indents; after Ctrl+M it moves on.",
        editor: (options) => codeEditor({ ...options, language: session().view.language }),
        send: async (code) => {
          if (code.trim() !== turn.code.trim()) await session().start(`turns/${turn.id}/edit`, { code });
        },
      }),
    ),
    editPrompt: reporting((turn) =>
      ask("Edit prompt", {
        value: turn.prompt,
        rows: 3,
        save: "Write it again",
        hint: "The model writes the step again. Ctrl+Enter sends it",
        send: async (prompt) => {
          if (prompt.trim() !== turn.prompt) await session().start(`turns/${turn.id}/edit`, { prompt });
        },
      }),
    ),
    expect: reporting((turn) =>
      ask("Add an example", {
        hint: EXAMPLE_HINT,
        label: "What must this step give?",
        send: async (words) => {
          if (words.trim()) await session().start(`turns/${turn.id}/examples`, { words });
        },
      }),
    ),
    expectOutput: reporting((turn) =>
      session().start(`turns/${turn.id}/examples`, { expected: turn.printed.trimEnd(), expression: null }),
    ),
    unexpect: reporting((turn, example) =>
      session().start(`turns/${turn.id}/examples/${example.number}`, undefined, "DELETE"),
    ),
    record: reporting((turn) => showRecord(session(), turn)),
    branch: reporting((turn) => session().change("move", { turn: turn.id })),
    undo: reporting(async (turn) => {
      await session().change("move", { turn: turn.parent });
      note("Undid the last turn.", { action: () => actions.branch(turn) });
    }),
  };
  return actions;
}
