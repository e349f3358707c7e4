// A stock client of socket.io against the examples `arbitration` and
// `conversion`: example.mjs URL

import { strict as assert } from "node:assert";
import { QUICK, acknowledged, changeRate, comesBack, connected, heard, script } from "./kit.mjs";

const USD_EUR = { from: "usd", to: "eur" };

async function checkConverts(socket, rate) {
  const converted = await socket.emitWithAck("convert", { ...USD_EUR, amount: 100 });
  assert.deepEqual(converted, { amount: 100, rate, result: 100 * rate });
}

await script(async (url) => {
  const [socket, other] =
    await Promise.all([1, 2].map(() => connected(`${url}/exchange`, QUICK)));
  await checkConverts(socket, 0.91);
  // Who watches a rate is told of that one alone, and nobody else is.
  assert.deepEqual(await acknowledged(socket, "watch", USD_EUR), [null, 204]);
  const told = [];
  socket.on("rate", (rate) => told.push(rate));
  other.on("rate", (rate) => assert.fail(`nobody asked for ${JSON.stringify(rate)}`));
  const events = ["rates.eur.gbp", "rates.usd.eur"].map((subject) => heard(other, subject));
  const room = heard(socket, "rate");
  await changeRate(url, "eur/gbp", 0.5);
  await changeRate(url, "usd/eur", 0.95);
  const changed = [{ from: "eur", to: "gbp", rate: 0.5 }, { ...USD_EUR, rate: 0.95 }];
  assert.deepEqual((await Promise.all(events)).map(([rate]) => rate), changed);
  assert.deepEqual((await room)[0], changed[1]);
  await checkConverts(socket, 0.95);
  assert.deepEqual(told, [changed[1]]);
  other.close();
  await comesBack(socket);
  await checkConverts(socket, 0.95);
  // It is another socket now, in no room before it asks.
  await socket.emitWithAck("watch", USD_EUR);
  const again = heard(socket, "rate");
  await changeRate(url, "usd/eur", 0.9);
  assert.deepEqual((await again)[0], { ...USD_EUR, rate: 0.9 });
  socket.close();
});
