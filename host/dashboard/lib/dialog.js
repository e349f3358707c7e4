// Questions before something is changed, the token, and notes of what was done.

import { h } from "./dom.js";

const NOTE_MS = 6_000;

let dialogs = 0;

/// Asks and resolves with what was filled in, or null when it was not meant.
/// `says` is what will happen, one line for each thing.
export function question({ title, says = [], fields = [], confirm, danger = false, cancel = "Cancel" }) {
  const id = `dialog-${(dialogs += 1)}`;
  return new Promise((resolve) => {
    const inputs = fields.map((field) => h("input", { name: field.name, required: true, autocomplete: "off", ...field.input }));
    const rows = fields.map((field, at) => h("label", { class: "field" }, h("span", {}, field.label), inputs[at]));
    const refuse = h("button", { type: "button", onclick: () => end(null) }, cancel);
    const agree = h("button", { type: "submit", class: danger ? "danger" : "main" }, confirm);
    const form = h(
      "form",
      { onsubmit: submit },
      h("h2", { id }, title),
      says.length ? h("ul", {}, says.map((line) => h("li", {}, line))) : null,
      rows,
      h("div", { class: "bar" }, cancel ? refuse : null, agree),
    );
    const dialog = h("dialog", { "aria-labelledby": id, oncancel: () => end(null) }, form);

    function submit(event) {
      event.preventDefault();
      end(Object.fromEntries(inputs.map((input) => [input.name, input.value])));
    }

    function end(answer) {
      resolve(answer);
      dialog.close();
      dialog.remove();
    }

    document.body.append(dialog);
    dialog.showModal();
    (inputs[0] ?? refuse).focus();
    inputs[0]?.select();
  });
}

let asking = null;

/// Asks for the token until the host takes it. Who asks meanwhile waits for the
/// same answer.
export function askToken() {
  asking ??= demand().finally(() => {
    asking = null;
  });
  return asking;
}

async function demand() {
  let says = ["It was given to the host by its settings. This browser keeps it in a cookie for this host alone."];
  for (;;) {
    const input = { type: "password" };
    const field = { name: "token", label: "Token", input };
    const given = await question({ title: "This host asks for its token", says, fields: [field], confirm: "Sign in", cancel: null });
    if (!given) {
      continue;
    }
    const headers = { authorization: `Bearer ${given.token}` };
    const answer = await fetch("/admin/v1/session", { method: "POST", headers, credentials: "same-origin" }).catch(() => null);
    if (answer?.ok) {
      return;
    }
    says = [answer ? "The host does not take this token." : "The host does not answer."];
  }
}

/// Tells what was done.
export function note(text) {
  const line = h("p", {}, text);
  document.getElementById("notes").append(line);
  setTimeout(() => line.remove(), NOTE_MS);
}

/// Does something and tells how it went.
export async function attempt(doing, done) {
  try {
    const answer = await doing();
    note(done(answer));
    return true;
  } catch (error) {
    note(`It was not done: ${error.message}`);
    return false;
  }
}
