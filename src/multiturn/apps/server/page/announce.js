// Says to a screen reader what has changed elsewhere than at the focus.

import { byId } from "./dom.js";

const MAX_PRINTED = 200;
const STATES = {
  cancelled: "The step was cancelled.",
  failed: "The step failed.",
  interrupted: "The step was interrupted.",
};

let before = { session: null, turn: null, job: null };

// Compares the session with what it was when this was called last.
export function announce({ view, job }) {
  const turn = view.path.at(-1);
  const now = { session: view.id, turn: turn && `${turn.id} ${turn.chosen} ${turn.code}`, job: job?.state };
  const parts = [];
  if (now.session === before.session) {
    if (turn && now.turn !== before.turn) {
      parts.push(`Turn ${view.path.length}: ${turn.summary}.`);
      if (turn.printed) parts.push(`Printed: ${turn.printed.slice(0, MAX_PRINTED)}`);
    }
    if (view.stale.length && now.turn !== before.turn)
      parts.push(`${view.stale.length} later turns are stale.`);
    if (now.job !== before.job && STATES[now.job]) parts.push(STATES[now.job]);
  }
  before = now;
  if (parts.length) byId("announcer").textContent = parts.join(" ");
}
