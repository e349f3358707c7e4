// Where the nodes of a graph stand: in layers from callers to callees, without
// chance, so that the same graph looks the same every time.

const SWEEPS = 6;

/// Places for nodes (a list of ids) and edges (`from`, `to`): for each id its
/// layer and its place within it, and how many of both there are.
export function layers(nodes, edges) {
  const ids = [...nodes].sort();
  const forward = acyclic(ids, edges.filter((edge) => edge.from !== edge.to));
  const depth = depths(ids, forward);
  const rows = [];
  for (const id of ids) {
    (rows[depth.get(id)] ??= []).push(id);
  }
  order(rows, forward);
  const places = new Map();
  rows.forEach((row, layer) => row.forEach((id, place) => places.set(id, { layer, place, of: row.length })));
  return { places, layers: rows.length, widest: Math.max(1, ...rows.map((row) => row.length)) };
}

/// The edges without those that lead back into a path that they come from.
function acyclic(ids, edges) {
  const next = new Map(ids.map((id) => [id, []]));
  for (const edge of edges) {
    next.get(edge.from)?.push(edge.to);
  }
  next.forEach((list) => list.sort());
  const called = new Set(edges.map((edge) => edge.to));
  const starts = [...ids.filter((id) => !called.has(id)), ...ids];
  const done = new Set();
  const forward = [];
  for (const start of starts) {
    visit(start);
  }
  return forward;

  function visit(start) {
    if (done.has(start)) {
      return;
    }
    const path = new Set([start]);
    const stack = [{ id: start, at: 0 }];
    done.add(start);
    while (stack.length) {
      const top = stack.at(-1);
      const to = next.get(top.id)[top.at];
      top.at += 1;
      if (to === undefined) {
        path.delete(top.id);
        stack.pop();
      } else if (!path.has(to)) {
        forward.push({ from: top.id, to });
        if (!done.has(to)) {
          done.add(to);
          path.add(to);
          stack.push({ id: to, at: 0 });
        }
      }
    }
  }
}

/// Each node one layer behind the last of its callers.
function depths(ids, forward) {
  const depth = new Map(ids.map((id) => [id, 0]));
  const left = new Map(ids.map((id) => [id, 0]));
  const next = new Map(ids.map((id) => [id, []]));
  for (const { from, to } of forward) {
    left.set(to, left.get(to) + 1);
    next.get(from).push(to);
  }
  const ready = ids.filter((id) => left.get(id) === 0);
  while (ready.length) {
    const id = ready.shift();
    for (const to of next.get(id)) {
      depth.set(to, Math.max(depth.get(to), depth.get(id) + 1));
      left.set(to, left.get(to) - 1);
      if (left.get(to) === 0) {
        ready.push(to);
      }
    }
  }
  return depth;
}

/// Within its layer each node stands near those that it is joined to, so that
/// few edges cross.
function order(rows, forward) {
  const near = { before: new Map(), after: new Map() };
  for (const { from, to } of forward) {
    near.before.set(to, [...(near.before.get(to) ?? []), from]);
    near.after.set(from, [...(near.after.get(from) ?? []), to]);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isDown = sweep % 2 === 0;
    const side = isDown ? near.before : near.after;
    const turn = isDown ? rows.map((_, at) => at) : rows.map((_, at) => rows.length - 1 - at);
    for (const at of turn) {
      const place = new Map(rows.flatMap((row) => row.map((id, at) => [id, (at + 0.5) / row.length])));
      const middle = (id) => {
        const joined = side.get(id) ?? [];
        return joined.length ? joined.reduce((sum, other) => sum + place.get(other), 0) / joined.length : place.get(id);
      };
      const middles = new Map(rows[at].map((id) => [id, middle(id)]));
      rows[at].sort((a, b) => middles.get(a) - middles.get(b) || (a < b ? -1 : 1));
    }
  }
}
