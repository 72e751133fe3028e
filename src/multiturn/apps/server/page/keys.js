// Keys for everything, and the sheet that lists them.

import { byId, dialog, element } from "./dom.js";
import { allViews, isViewOpen, openView } from "./views.js";

const TURN_ACTIONS = {
  r: "Retry",
  f: "Repair",
  c: "Candidates",
  e: "Edit code",
  w: "Edit prompt",
  x: "Add an example",
  o: "Expect this output",
  i: "Record",
  g: "Branch from here",
  u: "Undo",
};

const KEYS = [
  ["n", "write the next step"],
  ["Ctrl+Enter", "send it"],
  ["Esc", "cancel what is being written; close a window"],
  ["j, k", "the next turn, the one before"],
  ["r", "retry the turn"],
  ["f", "repair it"],
  ["c", "its candidates side by side"],
  ["e, w", "edit its code, its prompt"],
  ["x, o", "add an example; expect what it printed"],
  ["i", "its record, and a replay from it"],
  ["g, u", "branch from the turn; undo the last one"],
  ["a", "run the stale turns again"],
  ["s", "sessions"],
  ["b", "branches, and their comparison"],
  ["p", "the program"],
  [",", "settings"],
  ["F2", "rename the session"],
  ["t", "dark or light"],
  ["?", "this sheet"],
];

export function showHelp() {
  dialog(
    "Help",
    element(
      "p",
      {},
      "Describe one step after the other. Each step's code follows, then what the program so far prints. Retry, pick another candidate, edit, or branch at any turn; later turns are then stale until they run again.",
    ),
    element(
      "table",
      {},
      element(
        "tbody",
        {},
        [
          ...KEYS,
          ...allViews()
            .filter((view) => view.key)
            .map((view) => [view.key, view.title]),
        ].map(([keys, meaning]) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, element("kbd", {}, keys)),
            element("td", {}, meaning),
          ),
        ),
      ),
    ),
  );
}

function focusedTurn() {
  return document.activeElement?.closest?.("#turns .turn") ?? byId("turns").lastElementChild;
}

function move(by) {
  const turns = [...byId("turns").children];
  const at = turns.indexOf(document.activeElement?.closest?.(".turn"));
  const next = at < 0 ? (by > 0 ? 0 : turns.length - 1) : Math.min(Math.max(at + by, 0), turns.length - 1);
  turns[next]?.focus();
  turns[next]?.scrollIntoView({ block: "nearest" });
}

export function listenToKeys(actions) {
  const everywhere = { s: actions.sessions, t: actions.theme, "?": actions.help };
  const inNotebook = {
    n: () => byId("prompt").focus(),
    j: () => move(1),
    k: () => move(-1),
    a: () => actions.follow(false),
    b: actions.branches,
    p: actions.program,
    ",": actions.settings,
    F2: actions.rename,
  };

  function turnAction(key) {
    const wanted = TURN_ACTIONS[key];
    const buttons = [...(focusedTurn()?.querySelectorAll(".actions button") ?? [])];
    const found = wanted && buttons.find((each) => each.textContent.startsWith(wanted));
    return found && (() => found.click());
  }

  function actionOf(key) {
    const view = allViews().find((each) => each.key === key);
    if (view) return () => openView(view.name);
    return everywhere[key] ?? (isViewOpen() ? null : (inNotebook[key] ?? turnAction(key)));
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (!isViewOpen()) actions.cancel();
      document.activeElement?.blur?.();
      return;
    }
    if (event.key !== "F2" && event.target.closest?.("input, textarea, select")) return;
    const action = actionOf(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
