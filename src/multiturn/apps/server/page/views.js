// Views that take the place of the notebook, such as a browser of results. A view has an address,
// `#name` or `#name/rest`, a button in the bar and, if it names one, a key:
//
//   addView({ name: "runs", title: "Runs", key: "v", show(place, rest) { place.append(...); } });
//
// `show` gets an empty element and the rest of the address, each time the address changes. It may
// return a function, which is called when the view is left. Names are no hexadecimal numbers: those
// are addresses of sessions. main.js imports the modules that add views.

import { button, byId } from "./dom.js";

const views = new Map();
let shown = null;
let leave = null;

const VIEW_ADDRESS = /^#([a-z-]+)(?:\/(.*))?$/;
const SESSION_ADDRESS = /^#([0-9a-f]+)$/;

export function addView(view) {
  if (!VIEW_ADDRESS.test(`#${view.name}`) || SESSION_ADDRESS.test(`#${view.name}`))
    throw new Error(`no name of a view: ${view.name}`);
  views.set(view.name, view);
  const opener = button(view.title, () => openView(view.name), {
    id: `show-${view.name}`,
    "aria-pressed": "false",
    "aria-keyshortcuts": view.key,
  });
  byId("views").append(opener);
}

export const allViews = () => [...views.values()];

// Whether the address names a view. The page shows it a moment later, when it hears of the change.
export const isViewOpen = () => addressedView() !== null;

// Opens a view; the one that is open is left for the notebook.
export function openView(name) {
  location.hash = shown?.name === name ? "" : name;
}

// The session that the address names, or null.
export const addressedSession = () => location.hash.match(SESSION_ADDRESS)?.[1] ?? null;

function addressedView() {
  const name = location.hash.match(VIEW_ADDRESS)?.[1];
  return addressedSession() ? null : (views.get(name) ?? null);
}

// Shows the view of the address, or the notebook. Returns whether it is the notebook.
export function showAddressed() {
  leave?.();
  leave = null;
  const rest = location.hash.match(VIEW_ADDRESS)?.[2] ?? "";
  shown = addressedView();
  const place = byId("view");
  place.replaceChildren();
  place.hidden = !shown;
  byId("notebook-columns").hidden = Boolean(shown);
  for (const part of document.querySelectorAll("[data-notebook]")) part.hidden = Boolean(shown);
  for (const view of views.values()) {
    byId(`show-${view.name}`).setAttribute("aria-pressed", String(view === shown));
  }
  if (!shown) return true;
  place.setAttribute("aria-label", shown.title);
  document.title = `${shown.title} — Multiturn`;
  leave = shown.show(place, decodeURIComponent(rest)) ?? null;
  place.focus();
  return false;
}
