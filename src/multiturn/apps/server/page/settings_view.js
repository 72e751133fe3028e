// The settings of a session: how its steps are written from now on.

import { dialog, element } from "./dom.js";

const SAMPLING = [
  ["n", "Candidates per turn", { min: 1, max: 64, step: 1 }],
  ["temperature", "Temperature of the first", { min: 0, max: 10, step: "any" }],
  ["other_temperature", "Temperature of the others", { min: 0, max: 10, step: "any" }],
  ["top_p", "Nucleus (top-p)", { min: 0.01, max: 1, step: "any" }],
  ["top_k", "Top-k (0 is off)", { min: 0, max: 100000, step: 1 }],
  ["max_tokens", "Tokens per candidate", { min: 1, max: 100000, step: 1 }],
  ["seed", "Seed", { min: 0, max: 1073741823, step: 1 }],
];
const STRATEGY = [
  ["choose", "Among equally good ones", { likely: "likeliest", output: "most print it", values: "most values" }],
  ["agree", "Write until so many agree (0: all at once)", { min: 0, max: 64, step: 1 }],
  ["retry", "When all fail", { feedback: "show the error", resample: "try again" }],
  ["shown", "Shown to the model", { turns: "the turns", recap: "and a list", values: "and values" }],
  ["align", "Add a missing print, name or import"],
  ["asked", "A step without the name or print asked for fails"],
  ["checks", "Checks that the model writes", { min: 0, max: 8, step: 1 }],
];
const RETRIES = ["retries", "Repairs when all candidates fail", { min: 0, max: 10, step: 1 }];
const MIB = 1024 * 1024;
const LIMITS = [
  ["cpu_seconds", "Processor time (seconds)", { min: 0.1, max: 300, step: "any" }],
  ["wall_seconds", "Time (seconds)", { min: 0.1, max: 600, step: "any" }],
  ["memory_bytes", "Memory (MiB)", { min: 16, max: 8192, step: "any" }, MIB],
];

// A field is a number, with its range; a choice, with what each value is called; or a switch.
function settingView([name, label, kind, unit = 1], values) {
  const value = values[name];
  let field;
  if (kind === undefined) field = element("input", { type: "checkbox", name, checked: value });
  else if (!("step" in kind)) {
    field = element(
      "select",
      { name },
      Object.entries(kind).map(([key, words]) => element("option", { value: key, selected: key === value }, words)),
    );
  } else field = element("input", { type: "number", name, value: value === null ? "" : value / unit, ...kind });
  return element("label", {}, `${label} `, field);
}

function read(given, fields) {
  return Object.fromEntries(
    fields.map(([name, , kind, unit = 1]) => {
      const value = given.get(name);
      if (kind === undefined) return [name, value !== null];
      if (!("step" in kind)) return [name, value];
      const number = Number(value) * unit;
      return [name, value === "" ? null : unit === 1 ? number : Math.round(number)];
    }),
  );
}

// `save(change)` saves settings; where it fails, the window stays open and says why.
export function showSettings(session, about, save) {
  const { settings, model, style, language } = session.view;
  const fault = element("p", { class: "error", role: "alert" });
  const take = async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    try {
      await save({
        settings: {
          sampling: read(given, SAMPLING),
          ...read(given, [RETRIES]),
          strategy: read(given, STRATEGY),
          limits: read(given, LIMITS),
        },
      });
    } catch (error) {
      fault.textContent = error.message;
      return;
    }
    box.close();
  };
  const group = (title, fields, values) =>
    element(
      "fieldset",
      { class: "settings" },
      element("legend", {}, title),
      fields.map((field) => settingView(field, values)),
    );
  const form = element(
    "form",
    { onsubmit: take },
    group("Sampling", SAMPLING, settings.sampling),
    group("Choice and repair", [RETRIES, ...STRATEGY], { ...settings.strategy, retries: settings.retries }),
    group("Limits of each run", LIMITS, settings.limits),
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
      `${model}, ${style} style, programs in ${language}; ${about.engine}, context window of ${about.context_window} tokens.`,
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
