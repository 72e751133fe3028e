// Dark or light: as the system has it, until a person chooses.

const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export function restoreTheme() {
  root.dataset.theme = localStorage.getItem("theme") ?? "";
}

export function changeTheme() {
  const now = root.dataset.theme || (systemIsDark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}
