// Colours code, token by token, as spans: comments, strings, numbers and the words of its language.

import { element } from "./dom.js";

const words = (text) => new Set(text.split(" "));
const C =
  "auto break case char const continue default do double else enum extern float for goto if int long register " +
  "return short signed sizeof static struct switch typedef union unsigned void volatile while";
const WORDS = {
  Python: words(
    "False None True and as assert async await break class continue def del elif else except finally for from " +
      "global if import in is lambda nonlocal not or pass raise return try while with yield match case",
  ),
  JavaScript: words(
    "async await break case catch class const continue default delete do else export extends false finally for " +
      "function if import in instanceof let new null of return static super switch this throw true try typeof " +
      "undefined var void while yield",
  ),
  Java: words(
    "abstract boolean break byte case catch char class continue default do double else enum extends false final " +
      "finally float for if implements import instanceof int interface long new null package private protected " +
      "public record return short static super switch synchronized this throw throws true try var void while",
  ),
  C: words(`${C} bool false true NULL`),
  "C++": words(
    `${C} bool catch class constexpr delete explicit false friend inline namespace new nullptr operator private ` +
      "protected public template this throw true try typename using virtual",
  ),
  Go: words(
    "break case chan const continue default defer else fallthrough false for func go goto if import interface map " +
      "nil package range return select struct switch true type var",
  ),
};

// Each has five groups: comment, string, number, word, anything else.
const PYTHON =
  /(#.*)|((?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)|([\s\S])/g;
const LIKE_C =
  /(\/\/.*|\/\*[\s\S]*?(?:\*\/|$)|^[ \t]*#.*)|("(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\[\s\S]|[^\\`])*`?)|(\b\d[\w.]*)|([A-Za-z_$][\w$]*)|([\s\S])/gm;
const MAX_CHARACTERS = 20000;

// `language` is its name as people write it.
export function highlighted(code, language) {
  const made = element("code", {});
  if (code.length > MAX_CHARACTERS) {
    made.append(code);
    return made;
  }
  const known = WORDS[language] ?? new Set();
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
  for (const [text, comment, string, number, word] of code.matchAll(language === "Python" ? PYTHON : LIKE_C)) {
    if (comment) add("h-comment", text);
    else if (string) add("h-string", text);
    else if (number) add("h-number", text);
    else if (word && known.has(word)) add("h-word", text);
    else add(null, text);
  }
  if (plain) made.append(plain);
  return made;
}
