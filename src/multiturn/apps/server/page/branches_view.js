// The branches of a session: go to one, or compare two by program and by output.

import { get } from "./api.js";
import { button, dialog, element } from "./dom.js";
import { diffView } from "./diff.js";

function ends(tree) {
  const followed = new Set(tree.map((turn) => turn.parent));
  return tree.filter((turn) => !followed.has(turn.id));
}

function lengthOf(tree, id) {
  const parents = new Map(tree.map((turn) => [turn.id, turn.parent]));
  let count = 0;
  for (let at = id; at !== null && at !== undefined; at = parents.get(at)) count += 1;
  return count;
}

export function showBranches(session, goTo) {
  const { tree, current } = session.view;
  const found = ends(tree);
  const label = (turn) =>
    `${turn.good ? "✓" : "✗"} ${lengthOf(tree, turn.id)} turns, to ${turn.id}: ${turn.prompt.split("\n")[0].slice(0, 60)}`;
  const select = (name, chosen) =>
    element(
      "label",
      {},
      `${name} `,
      element(
        "select",
        {},
        tree.map((turn) => element("option", { value: turn.id, selected: turn.id === chosen }, label(turn))),
      ),
    );
  const others = found.filter((turn) => turn.id !== current);
  const left = select("Left", others.at(-1)?.id ?? tree[0]?.id);
  const right = select("Right", current);
  const result = element("div", { "aria-live": "polite" });
  const compare = async () => {
    const value = (each) => each.querySelector("select").value;
    const compared = await get(`${session.path}/compare?left=${value(left)}&right=${value(right)}`);
    result.replaceChildren(
      element("h3", {}, compared.same_program ? "The programs are equal" : "Programs"),
      compared.same_program ? "" : diffView(compared.program, "Difference of the programs"),
      element("h3", {}, compared.same_output ? "Both print the same" : "Outputs"),
      compared.same_output ? "" : diffView(compared.output, "Difference of the outputs"),
      compared.values.length
        ? element(
            "table",
            {},
            element("caption", {}, "Variables that differ"),
            element(
              "tbody",
              {},
              compared.values.map((each) =>
                element(
                  "tr",
                  {},
                  element("th", { scope: "row" }, each.name),
                  element("td", {}, each.left ?? "—"),
                  element("td", {}, each.right ?? "—"),
                ),
              ),
            ),
          )
        : "",
    );
  };
  const box = dialog(
    "Branches",
    found.length
      ? element(
          "ul",
          { class: "list" },
          found.map((turn) =>
            element(
              "li",
              {},
              button(
                label(turn),
                () => {
                  box.close();
                  goTo(turn.id);
                },
                { "aria-current": turn.id === current ? "true" : null, "data-branch": turn.id },
              ),
            ),
          ),
        )
      : element("p", {}, "There is no turn yet."),
    found.length
      ? element("div", { class: "row" }, left, right, button("Compare", compare, { class: "primary" }))
      : "",
    found.length
      ? element(
          "div",
          { class: "row" },
          button("To the beginning", () => {
            box.close();
            goTo(null);
          }),
        )
      : "",
    result,
  );
}
