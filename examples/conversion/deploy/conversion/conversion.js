// Converts amounts by calling a service, and shows rates as they change.

const at = (id) => document.getElementById(id);

// One row for each pair of currencies, in the order of their names.
function show(pair, rate) {
  const known = document.querySelector(`tr[data-pair="${pair}"]`);
  const row = known ?? document.createElement("tr");
  row.replaceChildren(...[...pair.split("."), String(rate)].map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    return cell;
  }));
  row.className = known ? "changed" : "";
  row.dataset.pair = pair;
  const rows = [...at("rates").children].filter((other) => other !== row);
  const next = rows.find((other) => pair < other.dataset.pair) ?? null;
  // Put in again, it shows once more that it has changed.
  at("rates").insertBefore(row, next);
}

// What was converted last: its result follows the rate.
let last;

function showResult({ amount, from, to }, result) {
  at("result").textContent = `${amount} ${from} is ${result.toFixed(2)} ${to}`;
}

async function convert(socket) {
  const asked = { from: at("from").value, to: at("to").value, amount: at("amount").value };
  last = undefined;
  try {
    // The answer of the method, or {error, code, fault}.
    const answer = await socket.timeout(5000).emitWithAck("conversion.convert", asked);
    if (answer.error) {
      at("result").textContent = answer.error;
      return;
    }
    last = asked;
    showResult(asked, answer.result);
  } catch {
    at("result").textContent = "no answer";
  }
}

function begin() {
  if (typeof io === "undefined") {
    at("state").textContent = "socket.io.min.js is missing in the folder of this page: "
      + "the README of the example says how it comes there";
    return;
  }
  // The namespace of the manifests.
  const socket = io("/exchange");
  socket.on("connect", async () => {
    at("state").textContent = "connected";
    // What has changed while there was no connection.
    const rates = await socket.emitWithAck("conversion.rates", {});
    if (rates.error) {
      at("state").textContent = rates.error;
      return;
    }
    for (const [pair, rate] of Object.entries(rates)) {
      show(pair, rate);
    }
  });
  socket.on("connect_error", (error) => {
    at("state").textContent = `not connected: ${error.message}`;
  });
  socket.on("disconnect", (reason) => {
    at("state").textContent = `not connected: ${reason}`;
  });
  // Every event that the namespace exposes comes under its subject.
  socket.onAny((subject, data) => {
    if (!subject.startsWith("rates.")) {
      return;
    }
    show(`${data.from}.${data.to}`, data.rate);
    if (last && data.from === last.from && data.to === last.to) {
      showResult(last, last.amount * data.rate);
    }
  });
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    convert(socket);
  });
}

begin();
