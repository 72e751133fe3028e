// The settings of a session: how its steps are written from now on.

import { dialog, element } from "./dom.js";

const FIELDS = [
  ["n", "Candidates per turn", { min: 1, max: 64, step: 1 }],
  ["temperature", "Temperature of the first", { min: 0, max: 10, step: "any" }],
  ["other_temperature", "Temperature of the others", { min: 0, max: 10, step: "any" }],
  ["top_p", "Nucleus (top-p)", { min: 0.01, max: 1, step: "any" }],
  ["top_k", "Top-k (0 is off)", { min: 0, max: 100000, step: 1 }],
  ["max_tokens", "Tokens per candidate", { min: 1, max: 100000, step: 1 }],
  ["seed", "Seed", { min: 0, max: 1073741823, step: 1 }],
];

// `save(change)` saves settings; where it fails, the window stays open and says why.
export function showSettings(session, about, save) {
  const { settings, model, style } = session.view;
  const field = (name, label, value, range) =>
    element(
      "label",
      {},
      `${label} `,
      element("input", { type: "number", name, value: value ?? "", ...range }),
    );
  const fault = element("p", { class: "error", role: "alert" });
  const take = async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const number = (name) => (given.get(name) === "" ? null : Number(given.get(name)));
    const sampling = Object.fromEntries(FIELDS.map(([name]) => [name, number(name)]));
    try {
      await save({ settings: { sampling, retries: number("retries") } });
    } catch (error) {
      fault.textContent = error.message;
      return;
    }
    box.close();
  };
  const form = element(
    "form",
    { class: "settings", onsubmit: take },
    FIELDS.map(([name, label, range]) => field(name, label, settings.sampling[name], range)),
    field("retries", "Repairs when all candidates fail", settings.retries, { min: 0, max: 10, step: 1 }),
    element("button", { class: "primary" }, "Save"),
    fault,
  );
  const box = dialog(
    "Settings",
    form,
    element("h3", {}, "What runs here"),
    element(
      "p",
      {},
      `${model}, ${style} style; ${about.engine}, context window of ${about.context_window} tokens.`,
    ),
    element(
      "p",
      {},
      `Programs run in the sandbox: ${about.isolation.level}. Isolated: ${about.isolation.covers}.`,
    ),
    element(
      "ul",
      {},
      about.isolation.gaps.map((gap) => element("li", {}, gap)),
    ),
    about.isolation.better ? element("p", {}, `Better: ${about.isolation.better}.`) : "",
  );
}
