// Colours Python, line by line, as spans.

import { element } from "./dom.js";

const WORDS = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield match case"
  ).split(" "),
);
const TOKEN =
  /(#.*)|((?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)|([\s\S])/g;
const MAX_CHARACTERS = 20000;

export function highlighted(code) {
  const made = element("code", {});
  if (code.length > MAX_CHARACTERS) {
    made.append(code);
    return made;
  }
  let plain = "";
  const add = (kind, text) => {
    if (!kind) {
      plain += text;
      return;
    }
    if (plain) made.append(plain);
    plain = "";
    made.append(element("span", { class: kind }, text));
  };
  for (const [text, comment, string, number, word] of code.matchAll(TOKEN)) {
    if (comment) add("h-comment", text);
    else if (string) add("h-string", text);
    else if (number) add("h-number", text);
    else if (word && WORDS.has(word)) add("h-word", text);
    else add(null, text);
  }
  if (plain) made.append(plain);
  return made;
}
