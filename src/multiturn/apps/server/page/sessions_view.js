// The list of sessions: open, search, delete with undo, restore, import.

import { get, post, remove } from "./api.js";
import { button, dialog, element, note } from "./dom.js";

export function showSessions(current, open, create) {
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: "Search names, prompts and code",
    "aria-label": "Search names, prompts and code",
  });
  const list = element("ul", { class: "list" });
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
          create();
        },
        { class: "primary" },
      ),
      button("Import a file", () => file.click()),
      file,
    ),
    search,
    list,
    element(
      "details",
      { ontoggle: showDeleted },
      element("summary", {}, "Deleted sessions"),
      element("ul", { class: "list", id: "deleted-sessions" }),
    ),
  );
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 150);
  });

  async function show() {
    const { sessions } = await get(`/api/sessions?limit=200&search=${encodeURIComponent(search.value)}`);
    list.replaceChildren(...sessions.map(entry));
    if (!sessions.length) list.append(element("li", { class: "quiet" }, "None."));
  }

  function entry(session) {
    const line = element(
      "li",
      {},
      button(
        [
          element("strong", {}, session.name),
          ` ${session.turns} turns `,
          element("span", { class: "quiet" }, session.snippet ?? session.last_prompt),
        ],
        () => {
          box.close();
          open(session.id);
        },
        { class: "wide", "aria-current": session.id === current ? "true" : null },
      ),
      button(
        "Delete",
        async () => {
          await remove(`/api/sessions/${session.id}`);
          line.remove();
          note(`Deleted ${session.name}.`, {
            action: async () => {
              await post(`/api/sessions/${session.id}/restore`);
              note(`Restored ${session.name}.`);
              if (box.isConnected) show();
            },
          });
        },
        { "aria-label": `Delete ${session.name}` },
      ),
    );
    return line;
  }

  async function showDeleted(event) {
    if (!event.target.open) return;
    const { sessions } = await get("/api/sessions?deleted=true");
    event.target.querySelector("ul").replaceChildren(
      ...sessions.map((session) =>
        element(
          "li",
          {},
          `${session.name} `,
          button("Restore", async (click) => {
            await post(`/api/sessions/${session.id}/restore`);
            click.target.closest("li").remove();
            show();
          }),
        ),
      ),
    );
  }

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
