// Puts the page together.

import { get, post, remove } from "./api.js";
import { ask, button, byId, element, note } from "./dom.js";
import { showBranches } from "./branches_view.js";
import { showCandidates } from "./candidates_view.js";
import { listenToKeys, showHelp } from "./keys.js";
import { Notebook } from "./notebook.js";
import { ProgramView } from "./program_view.js";
import { OpenSession } from "./session.js";
import { showSessions } from "./sessions_view.js";
import { showSettings } from "./settings_view.js";

let session = null;
let about = null;
let nextExamples = [];
const program = new ProgramView();

// Everything that can fail says why.
const told = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (error) {
    note(error.message, { bad: true, seconds: 20 });
    return null;
  }
};

const actions = {
  retry: told(async (turn) => {
    const given = await ask("Retry", { label: "How many more candidates", value: "1", save: "Write them" });
    if (given !== null) await session.start(`turns/${turn.id}/retry`, { count: Number(given) });
  }),
  repair: told((turn) => session.start(`turns/${turn.id}/repair`, {})),
  candidates: told((turn) => showCandidates(session, turn, told((of, number) => session.change(`turns/${of.id}/pick`, { candidate: number })))),
  editCode: told(async (turn) => {
    const code = await ask("Edit code", { value: turn.code, rows: 14, save: "Run it", hint: "Ctrl+Enter runs it" });
    if (code !== null && code.trim() !== turn.code.trim()) await session.start(`turns/${turn.id}/edit`, { code });
  }),
  editPrompt: told(async (turn) => {
    const prompt = await ask("Edit prompt", { value: turn.prompt, rows: 3, save: "Write it again", hint: "The model writes the step again." });
    if (prompt !== null && prompt.trim() !== turn.prompt) await session.start(`turns/${turn.id}/edit`, { prompt });
  }),
  expect: told(async (turn) => {
    const words = await ask("Add an example", { hint: "42, total == 42 or len(names) > 2", label: "What must this step give?" });
    if (words) await session.start(`turns/${turn.id}/examples`, { words });
  }),
  expectOutput: told((turn) => session.start(`turns/${turn.id}/examples`, { expected: turn.printed.trimEnd(), expression: null })),
  unexpect: told((turn, example) => session.start(`turns/${turn.id}/examples/${example.number}`, undefined, "DELETE")),
  branch: told((turn) => session.change("move", { turn: turn.id })),
  undo: told(async (turn) => {
    await session.change("move", { turn: turn.parent });
    note("Undid the last turn.", { action: () => actions.branch(turn) });
  }),
  follow: told((write) => (session?.view.stale.length ? session.start("follow", { write }) : null)),
  cancel: told(() => (session?.isBusy ? session.cancel() : null)),
  retryJob: told((job) => session.start(`jobs/${job.id}/retry`, {})),
  dismiss: told(async (job) => {
    await remove(`${session.path}/jobs/${job.id}`);
    await session.reload();
  }),
  rename: told(async () => {
    if (!session) return;
    const name = await ask("Rename", { value: session.view.name, label: "Name" });
    if (name?.trim()) await session.update({ name: name.trim() });
  }),
  sessions: told(() => showSessions(session?.view.id, (id) => { location.hash = id; }, create)),
  branches: told(() => session && showBranches(session, told((turn) => session.change("move", { turn })))),
  settings: told(() => session && showSettings(session, about, told((change) => session.update(change)))),
  program: () => program.toggle(),
  theme: () => {
    const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const dark = now !== "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  },
};

const notebook = new Notebook(actions);

function show() {
  byId("rename").textContent = session.view.name;
  document.title = `${session.view.name} — Multiturn`;
  byId("model").textContent = session.view.model;
  notebook.show(session);
  program.show(session);
}

async function open(id) {
  const opened = await OpenSession.load(id);
  session?.close();
  session = opened;
  opened.addEventListener("view", () => session === opened && show());
  opened.addEventListener("job", () => session === opened && (notebook.showJob(opened), (byId("empty").hidden = true)));
  opened.addEventListener("text", (event) => session === opened && notebook.addText(event.detail.candidate, event.detail.text));
  opened.addEventListener("deleted", () => { if (session === opened) leaveDeleted(); });
  localStorage.setItem("session", id);
  byId("count").value = opened.view.settings.sampling.n;
  show();
}

function leaveDeleted() {
  session.close();
  localStorage.removeItem("session");
  history.replaceState(null, "", location.pathname);
  note("This session was deleted.", { bad: true });
  start();
}

const create = told(async () => {
  const made = await post("/api/sessions");
  location.hash = made.id;
});

function showExamples() {
  byId("next-examples").replaceChildren(
    ...nextExamples.map((words, index) => element("li", {}, words, " ", button("Remove", () => { nextExamples.splice(index, 1); showExamples(); }, { class: "plain" }))),
  );
}

const write = told(async () => {
  const prompt = byId("prompt").value;
  if (!prompt.trim() || session.isBusy) return;
  await session.start("turns", {
    prompt, examples: nextExamples.map((words) => ({ words })), sampling: { n: Number(byId("count").value) || 1 },
  });
  byId("prompt").value = "";
  nextExamples = [];
  showExamples();
  byId("job").scrollIntoView({ block: "nearest" });
});

const start = told(async () => {
  const wanted = /^#[0-9a-f]+$/.test(location.hash) ? location.hash.slice(1) : localStorage.getItem("session");
  try {
    if (wanted) {
      await open(wanted);
      return;
    }
  } catch (error) {
    if (error.status !== 404) throw error;
    localStorage.removeItem("session");
  }
  const { sessions } = await get("/api/sessions?limit=1");
  if (sessions.length) await open(sessions[0].id);
  else await create();
});

document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
byId("composer").addEventListener("submit", (event) => { event.preventDefault(); write(); });
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); write(); }
});
byId("add-example").addEventListener("click", told(async () => {
  const words = await ask("Add an example", { hint: "42, total == 42 or len(names) > 2", label: "What must the next step give?" });
  if (words?.trim()) { nextExamples.push(words.trim()); showExamples(); }
}));
for (const [id, action] of Object.entries({
  "show-sessions": actions.sessions, rename: actions.rename, "show-branches": actions.branches, "show-program": actions.program,
  "show-settings": actions.settings, theme: actions.theme, "show-help": showHelp,
})) byId(id).addEventListener("click", action);
listenToKeys(actions);
window.addEventListener("hashchange", () => {
  const id = location.hash.slice(1);
  if (id && id !== session?.view.id) told(open)(id);
});

about = await get("/api/about").catch((error) => { note(error.message, { bad: true }); return null; });
if (about) {
  byId("isolation").textContent = `sandbox: ${about.isolation.level}`;
  byId("isolation").title = about.isolation.covers;
  if (about.isolation.better) byId("isolation").classList.add("warn");
  await start();
}
