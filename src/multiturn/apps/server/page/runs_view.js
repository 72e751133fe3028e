// Saved benchmark runs: the list, the samples of a run by filter, and one sample, which can be
// replayed as a session. Addresses: #runs, #runs/RUN, #runs/RUN/NUMBER.

import { get, post } from "./api.js";
import { button, element, note } from "./dom.js";
import { highlighted } from "./highlight.js";
import { reporting } from "./report_errors.js";
import { addView } from "./views.js";

const NO_FILTER = { verdict: "failed", label: "", problem: "", text: "" };

let chosen = { ...NO_FILTER };
let chosenRun = null;

export function addRunsView() {
  addView({
    name: "runs",
    title: "Runs",
    key: "v",
    show(place, rest) {
      const state = { left: false };
      const [run, number] = rest.split("/");
      const show = number ? showSample : run ? showRun : showList;
      reporting(show)(place, state, run, number);
      return () => {
        state.left = true;
      };
    },
  });
}

const goTo = (address) => {
  location.hash = address;
};

const link = (text, address, properties = {}) =>
  element("a", { href: `#${address}`, ...properties }, text);

const percent = (passed, samples) =>
  samples ? `${((100 * passed) / samples).toFixed(1)}% (${passed} of ${samples})` : "no samples";

function table(caption, heads, rows) {
  return element(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, rows),
    ),
  );
}

async function showList(place, state) {
  const { directory, runs, total } = await get("/api/runs");
  if (state.left) return;
  const rates = new Map();
  const rows = runs.map((run) => {
    const rate = element("td", {}, run.fault ? "" : "…");
    rates.set(run.id, rate);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, run.fault ? run.name : link(run.name, `runs/${run.id}`)),
      element("td", {}, run.fault || `${run.task} ${run.arm} ${run.truncation}`),
      element("td", {}, run.model),
      element("td", {}, run.fault ? "" : String(run.temperature)),
      rate,
    );
  });
  place.append(
    element("h2", {}, `Runs in ${directory}`),
    runs.length
      ? table("Runs", ["Run", "Arm", "Model", "Temperature", "Passed"], rows)
      : element("p", { class: "quiet" }, "There is no run here."),
  );
  if (total > runs.length) place.append(element("p", { class: "quiet" }, `and ${total - runs.length} more`));
  // One after the other: a large run takes seconds when it is read for the first time.
  for (const run of runs) {
    if (state.left) return;
    if (run.fault) continue;
    const { figures } = await get(`/api/runs/${run.id}`);
    rates.get(run.id).textContent =
      percent(figures[0].passed, figures[0].samples) + (run.complete ? "" : ", not complete");
  }
}

async function showRun(place, state, id) {
  const summary = await get(`/api/runs/${id}`);
  if (state.left) return;
  if (chosenRun !== id) chosen = { ...NO_FILTER };
  chosenRun = id;
  const { run, figures, problems } = summary;
  place.append(
    element("p", {}, link("All runs", "runs")),
    element("h2", {}, run.name),
    element(
      "p",
      { class: "quiet" },
      `${run.task} ${run.arm} ${run.truncation}, ${run.model}, temperature ${run.temperature}` +
        (run.complete ? "" : `; ${summary.samples} of ${run.expected} samples so far`) +
        (summary.unreadable ? `; ${summary.unreadable} lines cannot be read` : ""),
    ),
    ...figures.map((each) => element("p", {}, `${each.oracle}: ${percent(each.passed, each.samples)}`)),
  );
  const list = element("ul", { class: "list", id: "samples" });
  const status = element("p", { class: "quiet", role: "status" });
  const more = button("More", () => read(), { hidden: true });
  let next = 0;
  let asked = 0;

  const begin = reporting(() => {
    list.replaceChildren();
    next = 0;
    return read();
  });

  async function read() {
    const request = ++asked;
    more.hidden = true;
    status.textContent = "Reading…";
    const wanted = list.children.length + 50;
    while (next !== null && list.children.length < wanted) {
      const query = new URLSearchParams({ ...chosen, after: String(next), limit: "50" });
      const part = await get(`/api/runs/${id}/samples?${query}`);
      if (state.left || request !== asked) return;
      list.append(...part.samples.map(entry));
      next = part.next;
    }
    more.hidden = next === null;
    const count = list.children.length;
    status.textContent =
      next !== null
        ? `The first ${count} samples that match.`
        : count === 1
          ? "1 sample matches."
          : `${count} samples match.`;
  }

  function entry(sample) {
    return element(
      "li",
      {},
      link(
        [
          element("span", { class: sample.passed ? "chip good" : "chip bad" }, sample.label || "passed"),
          ` ${sample.item} sample ${sample.sample}`,
        ],
        `runs/${id}/${sample.number}`,
        { class: "wide" },
      ),
    );
  }

  function choice(name, title, options) {
    const field = element(
      "select",
      {
        id: `filter-${name}`,
        onchange: () => {
          chosen[name] = field.value;
          begin();
        },
      },
      options.map(([value, text]) => element("option", { value }, text)),
    );
    field.value = chosen[name];
    return element("label", {}, `${title} `, field);
  }

  const words = element("input", { type: "search", id: "filter-text", value: chosen.text });
  let timer = null;
  words.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      chosen.text = words.value;
      begin();
    }, 200);
  });
  place.append(
    element(
      "form",
      { class: "row", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() },
      choice("verdict", "Verdict", [
        ["failed", "failed"],
        ["passed", "passed"],
        ["all", "all"],
      ]),
      choice("label", "Failure", [
        ["", "any"],
        ...figures[0].labels.map(({ label, samples }) => [label, `${label} (${samples})`]),
      ]),
      choice("problem", "Problem", [
        ["", "any"],
        ...problems.map((each) => [each.problem, `${each.problem} (${each.passed} of ${each.samples})`]),
      ]),
      element("label", {}, "Text ", words),
    ),
    status,
    list,
    more,
  );
  await begin();
}

async function showSample(place, state, id, number) {
  const sample = await get(`/api/runs/${id}/samples/${number}`);
  if (state.left) return;
  const replay = button(
    "Replay as a session",
    reporting(async () => {
      replay.disabled = true;
      try {
        const session = await post(`/api/runs/${id}/samples/${number}/session`);
        note(`Made the session ${session.name}.`);
        goTo(session.id);
      } finally {
        replay.disabled = false;
      }
    }),
    { class: "primary" },
  );
  const step = (text, to) => (to < 0 ? null : link(text, `runs/${id}/${to}`));
  const parts = [
    element(
      "p",
      { class: "row" },
      link("All samples", `runs/${id}`),
      step("Before", Number(number) - 1),
      step("Next", Number(number) + 1),
    ),
    element("h2", {}, `${sample.sample.item} sample ${sample.sample.sample}`),
    element("div", { class: "row" }, replay),
    element(
      "ul",
      { class: "examples" },
      sample.verdicts.map((each) =>
        element("li", { class: each.passed ? "good" : "bad" }, `${each.oracle}: ${each.summary}`),
      ),
    ),
    sample.gold === null ? null : element("p", {}, "Gold: ", element("code", {}, sample.gold)),
    Object.keys(sample.inputs).length
      ? table(
          "Inputs",
          ["Name", "Value"],
          Object.entries(sample.inputs).map(([name, value]) =>
            element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)),
          ),
        )
      : null,
    sample.fault
      ? element("p", { class: "error" }, `It went wrong in turn ${sample.fault.turn}: ${sample.fault.reason}`)
      : null,
    element(
      "ol",
      { "aria-label": "Turns of the sample" },
      sample.turns.map((turn, at) => sampleTurn(turn, at + 1, sample)),
    ),
    element(
      "details",
      {},
      element("summary", {}, "The program, as it was judged"),
      element("pre", { class: "code", tabindex: "0" }, highlighted(sample.program, sample.language)),
    ),
  ];
  place.append(...parts.filter(Boolean));
}

function sampleTurn(turn, number, { fault, language }) {
  return element(
    "li",
    { class: "turn", "aria-current": fault?.turn === number ? "true" : null },
    element(
      "div",
      { class: "turn-head" },
      element("span", { class: "number" }, `${number}`),
      element("p", { class: "prompt" }, turn.prompt || "(its prompt is unknown)"),
      fault?.turn === number ? element("span", { class: "chip bad" }, "went wrong here") : null,
    ),
    element("pre", { class: "code", tabindex: "0" }, turn.code.trim() ? highlighted(turn.code, language) : "(no code)"),
    element(
      "details",
      {},
      element("summary", {}, turn.attempts.length === 1 ? "As it was generated" : `${turn.attempts.length} texts`),
      turn.attempts.map((each) =>
        element(
          "div",
          {},
          element(
            "p",
            { class: "quiet" },
            `${each.new_tokens} tokens, ended by ${each.finish_reason}` +
              (each.cut_by ? `, cut by ${each.cut_by}` : "") +
              (each.chosen ? "" : "; not chosen"),
          ),
          element("pre", { class: "output", tabindex: "0" }, each.raw_text),
        ),
      ),
    ),
  );
}
