// The list of sessions: open, search, delete with undo, restore, import.

import { get, post, remove } from "./api.js";
import { button, dialog, element, note } from "./dom.js";
import { reporting } from "./report_errors.js";

const MAX_LISTED = 200;
const SEARCH_AFTER_MILLISECONDS = 150;

// `about` is what the server says of itself; the others open, make and rename a session.
export function showSessions(current, { open, create, rename, about }) {
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: "Search names, prompts and code",
    "aria-label": "Search names, prompts and code",
  });
  const list = element("ul", { class: "list" });
  const language = element(
    "select",
    { "aria-label": "Language of a new session" },
    about.languages.map(({ key, name, fix }) =>
      element(
        "option",
        { value: key, disabled: fix !== null, title: fix, selected: key === about.settings.language },
        fix ? `${name} (not installed)` : name,
      ),
    ),
  );
  const file = element("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    onchange: importFile,
  });
  const box = dialog(
    "Sessions",
    element(
      "div",
      { class: "row" },
      button(
        "New session",
        () => {
          box.close();
          create({ language: language.value });
        },
        { class: "primary" },
      ),
      language,
      button("Import a file", () => file.click()),
      file,
    ),
    search,
    list,
    element(
      "details",
      { ontoggle: (event) => showDeleted(event.target) },
      element("summary", {}, "Deleted sessions"),
      element("ul", { class: "list", id: "deleted-sessions" }),
    ),
  );
  let timer = null;
  let asked = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, SEARCH_AFTER_MILLISECONDS);
  });

  const show = reporting(async () => {
    asked += 1;
    const number = asked;
    const words = encodeURIComponent(search.value);
    const { sessions, total } = await get(`/api/sessions?limit=${MAX_LISTED}&search=${words}`);
    if (number !== asked) return; // another search was begun meanwhile
    list.replaceChildren(...sessions.map(entry));
    if (!sessions.length) list.append(element("li", { class: "quiet" }, "None."));
    if (total > sessions.length) {
      list.append(element("li", { class: "quiet" }, `${total - sessions.length} more; search for them.`));
    }
  });

  const restore = reporting(async (session) => {
    await post(`/api/sessions/${session.id}/restore`);
    note(`Restored ${session.name}.`);
    if (box.isConnected) show();
    if (session.id === current) open(session.id);
  });

  const discard = reporting(async (session) => {
    await remove(`/api/sessions/${session.id}`);
    note(`Deleted ${session.name}.`, { action: () => restore(session), seconds: 20 });
    search.focus(); // the button is gone
    await show();
  });

  function entry(session) {
    const go = () => {
      box.close();
      open(session.id);
    };
    return element(
      "li",
      {},
      button(
        [
          element("strong", {}, session.name),
          ` ${session.turns === 1 ? "1 turn" : `${session.turns} turns`} `,
          element("span", { class: "quiet" }, session.snippet ?? session.last_prompt),
        ],
        go,
        { class: "wide", "aria-current": session.id === current ? "true" : null },
      ),
      button(
        "Rename",
        async () => {
          await rename(session);
          search.focus(); // the button is made again
          await show();
        },
        { "aria-label": `Rename ${session.name}` },
      ),
      button("Delete", () => discard(session), { "aria-label": `Delete ${session.name}` }),
    );
  }

  const showDeleted = reporting(async (details) => {
    if (!details.open) return;
    const { sessions } = await get("/api/sessions?deleted=true");
    const line = (session) => {
      const again = async () => {
        await restore(session);
        await showDeleted(details);
      };
      return element(
        "li",
        {},
        `${session.name} `,
        button("Restore", again, { "aria-label": `Restore ${session.name}` }),
      );
    };
    details.querySelector("ul").replaceChildren(...sessions.map(line));
  });

  async function importFile() {
    try {
      const made = await post("/api/sessions/import", JSON.parse(await file.files[0].text()));
      box.close();
      open(made.id);
    } catch (error) {
      note(error.message, { bad: true });
    }
  }

  show();
  search.focus();
}
