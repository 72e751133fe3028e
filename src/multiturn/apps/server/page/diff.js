// The lines of two texts, and which of them only one has.

import { element } from "./dom.js";

const MAX_CELLS = 400000;

export function diffLines(left, right) {
  const one = left.replace(/\n$/, "").split("\n");
  const other = right.replace(/\n$/, "").split("\n");
  if (one.length * other.length > MAX_CELLS) {
    return [
      ...one.map((text) => ({ kind: "left", text })),
      ...other.map((text) => ({ kind: "right", text })),
    ];
  }
  const width = other.length + 1;
  const common = new Uint32Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        one[i] === other[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const found = [];
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      found.push({ kind: "same", text: one[i] });
      i += 1;
      j += 1;
    } else if (
      j >= other.length ||
      (i < one.length && common[(i + 1) * width + j] >= common[i * width + j + 1])
    ) {
      found.push({ kind: "left", text: one[i] });
      i += 1;
    } else {
      found.push({ kind: "right", text: other[j] });
      j += 1;
    }
  }
  return found;
}

const SIGNS = { same: "  ", left: "− ", right: "+ " };
const SPOKEN = { left: "only on the left: ", right: "only on the right: " };

// All lines of both texts, with signs; what differs is also said to a screen reader.
export function diffView(lines, label) {
  return element(
    "pre",
    { class: "diff", tabindex: "0", role: "region", "aria-label": label },
    lines.map(({ kind, text }) =>
      element(
        "span",
        { class: `line ${kind}` },
        SPOKEN[kind] ? element("span", { class: "spoken" }, SPOKEN[kind]) : null,
        element("span", { "aria-hidden": "true" }, SIGNS[kind]),
        `${text}\n`,
      ),
    ),
  );
}

// One text, with the lines marked that the other does not have; a screen reader hears it too.
export function markedAgainst(text, other, label) {
  const lines = diffLines(other, text).filter(({ kind }) => kind !== "left");
  const line = ({ kind, text: content }) =>
    kind === "right"
      ? element(
          "span",
          { class: "line differs" },
          element("span", { class: "spoken" }, "differs: "),
          `${content}\n`,
        )
      : element("span", { class: "line" }, `${content}\n`);
  return element(
    "pre",
    { class: "code", tabindex: "0", role: "region", "aria-label": label },
    lines.map(line),
  );
}
