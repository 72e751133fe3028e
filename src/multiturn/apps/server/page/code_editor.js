// An editor for code: CodeMirror, which is loaded when code is first edited; or a plain field, where
// it does not load. CodeMirror is in a shadow tree, because there its styles are no inline styles,
// which the page's policy forbids.

import { element } from "./dom.js";

// What colours and indents a language, by its name as people write it.
const GRAMMARS = { Python: "python", JavaScript: "javascript", Java: "java", C: "cpp", "C++": "cpp", Go: "go" };
const INDENTS = { Go: "\t" };
const COLOURS = { comment: "--quiet", string: "--string", number: "--number", keyword: "--word" };

function theme({ EditorView }) {
  return EditorView.theme({
    "&": {
      background: "var(--soft)",
      color: "var(--ink)",
      border: "1px solid var(--line)",
      borderRadius: "6px",
    },
    "&.cm-focused": { outline: "2px solid var(--accent)" },
    ".cm-scroller": { fontFamily: "inherit", lineHeight: "1.5", minHeight: "12rem", maxHeight: "50vh" },
    ".cm-gutters": { background: "none", color: "var(--quiet)", border: "0" },
    ".cm-activeLine, .cm-activeLineGutter": { background: "var(--paper)" },
    ".cm-cursor": { borderLeftColor: "var(--ink)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
      background: "var(--selected)",
    },
  });
}

function codeMirror(library, { value, label, submit, language }) {
  const { EditorState, EditorView, HighlightStyle, keymap, tags } = library;
  const host = element("div", { class: "code editor", id: "asked" });
  const root = host.attachShadow({ mode: "open" });
  const colours = Object.entries(COLOURS).map(([tag, name]) => ({ tag: tags[tag], color: `var(${name})` }));
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: value,
      extensions: [
        keymap.of([{ key: "Mod-Enter", run: () => (submit(), true) }]),
        library.lineNumbers(),
        library.highlightSpecialChars(),
        library.history(),
        library.drawSelection(),
        library.indentOnInput(),
        library.bracketMatching(),
        library.highlightActiveLine(),
        library.indentUnit.of(INDENTS[language] ?? "    "),
        library[GRAMMARS[language]]?.() ?? [],
        library.syntaxHighlighting(HighlightStyle.define(colours)),
        keymap.of([...library.defaultKeymap, ...library.historyKeymap, library.indentWithTab]),
        EditorView.contentAttributes.of({ "aria-label": label }),
        theme(library),
      ],
    }),
  });
  return { element: host, text: () => view.state.doc.toString(), focus: () => view.focus() };
}

function plain({ value, label, submit }) {
  const field = element("textarea", {
    id: "asked",
    class: "code",
    rows: 14,
    spellcheck: "false",
    "aria-label": label,
    value,
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  });
  return { element: field, text: () => field.value, focus: () => field.focus() };
}

// `submit` is called for Ctrl+Enter. Tab indents; Ctrl+M lets Tab move on.
export async function codeEditor(options) {
  let library = null;
  try {
    library = await import("./vendor/codemirror.js");
  } catch {
    return plain(options);
  }
  return codeMirror(library, options);
}
