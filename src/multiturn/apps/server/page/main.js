// Puts the page together.

import { announce } from "./announce.js";
import { get, patch, post, remove } from "./api.js";
import { ask, byId, note } from "./dom.js";
import { showBranches } from "./branches_view.js";
import { Composer } from "./composer.js";
import { listenToKeys, showHelp } from "./keys.js";
import { Notebook } from "./notebook.js";
import { ProgramView } from "./program_view.js";
import { addRunsView } from "./runs_view.js";
import { OpenSession } from "./session.js";
import { showSessions } from "./sessions_view.js";
import { showSettings } from "./settings_view.js";
import { changeTheme, restoreTheme } from "./theme.js";
import { reporting } from "./report_errors.js";
import { turnActions } from "./turn_actions.js";
import { addressedSession, isViewOpen, showAddressed } from "./views.js";

let session = null;
let known = null;
const program = new ProgramView();

// What the server says of itself; a key may need it before the page has it.
async function about() {
  known ??= await get("/api/about");
  return known;
}

const actions = {
  ...turnActions(() => session),
  follow: reporting((write) => (session?.view.stale.length ? session.start("follow", { write }) : null)),
  cancel: reporting(() => (session?.isBusy ? session.cancel() : null)),
  retryJob: reporting((job) => session.start(`jobs/${job.id}/retry`, {})),
  dismiss: reporting(async (job) => {
    await remove(`${session.path}/jobs/${job.id}`);
    await session.reload();
  }),
  rename: () => session && rename(session.view),
  sessions: reporting(async () =>
    showSessions(session?.view.id, { open: goTo, create, rename, about: await about() }),
  ),
  branches: reporting(
    () =>
      session &&
      showBranches(
        session,
        reporting((turn) => session.change("move", { turn })),
      ),
  ),
  settings: reporting(
    async () => session && showSettings(session, await about(), (change) => session.update(change)),
  ),
  program: () => program.toggle(),
  theme: changeTheme,
  help: showHelp,
};

const notebook = new Notebook(actions);
const composer = new Composer(
  reporting(async (body) => {
    await session.start("turns", body);
    return true;
  }),
);

function goTo(id) {
  location.hash = id;
}

const create = reporting(async (settings) => goTo((await post("/api/sessions", { settings })).id));

const rename = reporting(({ id, name }) =>
  ask("Rename", {
    value: name,
    label: "Name",
    send: async (given) => {
      const change = { name: given.trim() };
      if (!change.name) return;
      if (id === session?.view.id) await session.update(change);
      else await patch(`/api/sessions/${id}`, change);
    },
  }),
);

function showSession() {
  byId("rename").textContent = session.view.name;
  byId("model").textContent = session.view.model;
  byId("language").textContent = session.view.language;
  if (!byId("notebook-columns").hidden) document.title = `${session.view.name} — Multiturn`;
  notebook.show(session);
  program.show(session);
  announce(session);
}

function showConnection(error = null) {
  const chip = byId("connection");
  chip.hidden = session.isConnected && !error;
  chip.textContent =
    error?.status === 401
      ? "the server was started again: open the link that it prints"
      : "connection lost; trying again";
}

let openings = 0;

async function open(id) {
  openings += 1;
  const opening = openings;
  const opened = await OpenSession.load(id);
  if (opening !== openings) {
    opened.close(); // another one was opened while this one was loaded
    return;
  }
  session?.close();
  session = opened;
  const on = (what, action) =>
    opened.addEventListener(what, (event) => {
      if (session === opened) action(event.detail);
    });
  on("view", showSession);
  on("job", () => notebook.showJob(opened));
  on("text", ({ candidate, text }) => notebook.addText(candidate, text));
  on("connection", () => showConnection());
  on("fault", showConnection);
  on("deleted", leaveDeleted);
  localStorage.setItem("session", id);
  composer.open(opened);
  showSession();
}

function leaveDeleted() {
  session.close();
  localStorage.removeItem("session");
  history.replaceState(null, "", location.pathname);
  note("This session was deleted.", { bad: true });
  openAddressed();
}

// Opens the session of the address, else the one of the last visit, the last one, or a new one.
const openAddressed = reporting(async () => {
  const wanted = addressedSession() ?? localStorage.getItem("session");
  if (session && !session.isClosed && session.view.id === wanted) {
    showSession();
    return;
  }
  try {
    if (wanted) {
      await open(wanted);
      return;
    }
  } catch (error) {
    if (error.status !== 404) throw error;
    localStorage.removeItem("session");
    if (addressedSession()) note("There is no such session.", { bad: true });
  }
  const { sessions } = await get("/api/sessions?limit=1");
  if (sessions.length) {
    await open(sessions[0].id);
    return;
  }
  const made = await post("/api/sessions");
  if (addressedSession()) return; // somebody went to another one meanwhile
  if (isViewOpen()) await open(made.id);
  else goTo(made.id);
});

function followAddress() {
  if (showAddressed()) openAddressed();
}

restoreTheme();
for (const [id, action] of Object.entries({
  "show-sessions": actions.sessions,
  rename: actions.rename,
  "show-branches": actions.branches,
  "show-program": actions.program,
  "show-settings": actions.settings,
  theme: actions.theme,
  "show-help": actions.help,
})) {
  byId(id).addEventListener("click", action);
}
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("prompt").focus();
});
listenToKeys(actions);
window.addEventListener("hashchange", followAddress);

const server = await reporting(about)();
if (server) {
  const { isolation, runs } = server;
  byId("isolation").textContent = `sandbox: ${isolation.level}`;
  byId("isolation").title = isolation.covers;
  if (isolation.better) byId("isolation").classList.add("warn");
  if (runs) addRunsView();
  followAddress();
}
