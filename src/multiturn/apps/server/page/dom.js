// Elements, made without markup: text of programs and people is only ever text.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function button(text, action, properties = {}) {
  return element("button", { type: "button", onclick: action, ...properties }, text);
}

export const byId = (id) => document.getElementById(id);

// A dialog that closes with Escape, gives the focus back, and leaves the page when it is closed.
// What is noted while it is open is noted in it, since nothing else can be reached then.
export function dialog(title, ...content) {
  const before = document.activeElement;
  const made = element(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    element(
      "div",
      { class: "dialog-head" },
      element("h2", { id: "dialog-title" }, title),
      button("Close", () => made.close(), { class: "plain" }),
    ),
    ...content,
    element("div", { class: "notes", role: "status" }),
  );
  made.addEventListener("close", () => {
    byId("notes").append(...made.querySelector(":scope > .notes").children);
    made.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(made);
  made.showModal();
  return made;
}

function plainField({ value, rows, hint, submit }) {
  const isLong = rows > 1;
  const field = element(isLong ? "textarea" : "input", {
    id: "asked",
    rows: isLong ? rows : null,
    value,
    spellcheck: "false",
    class: isLong ? "code" : null,
    "aria-describedby": hint ? "asked-hint" : null,
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  });
  const focus = () => {
    field.focus();
    if (!isLong) field.select();
  };
  return { element: field, text: () => field.value, focus };
}

// Asks for one text; resolves to it, or to null. With `send`, the window stays open until that has
// taken the text, so that a text is not lost where it fails. `editor` makes another field than a
// plain one: from {value, label, submit} to {element, text(), focus()}.
export async function ask(title, options = {}) {
  const {
    value = "",
    rows = 1,
    label = title,
    save = "Save",
    hint = "",
    send = null,
    editor = null,
  } = options;
  const submit = () => form.requestSubmit();
  const field = editor ? await editor({ value, label, submit }) : plainField({ value, rows, hint, submit });
  const fault = element("p", { class: "error", role: "alert" });
  let answer = null;
  const take = async (event) => {
    event.preventDefault();
    try {
      await send?.(field.text());
    } catch (error) {
      fault.textContent = error.message;
      return;
    }
    answer = field.text();
    box.close();
  };
  const form = element(
    "form",
    { onsubmit: take },
    editor ? null : element("label", { for: "asked" }, label),
    field.element,
    hint ? element("p", { class: "quiet", id: "asked-hint" }, hint) : null,
    fault,
    element("div", { class: "row" }, element("button", { class: "primary" }, save)),
  );
  const box = dialog(title, form);
  field.focus();
  return new Promise((resolve) => box.addEventListener("close", () => resolve(answer)));
}

export function note(text, { action = null, label = "Undo", seconds = 8, bad = false } = {}) {
  const line = element("p", { class: bad ? "note bad" : "note" }, text);
  const remove = () => line.remove();
  if (action)
    line.append(
      " ",
      button(label, () => {
        remove();
        action();
      }),
    );
  line.append(button("×", remove, { class: "plain", "aria-label": "Dismiss" }));
  (document.querySelector("dialog[open] > .notes") ?? byId("notes")).append(line);
  setTimeout(remove, seconds * 1000);
}
