// Elements, made and changed without any text being read as markup.

const SVG = "http://www.w3.org/2000/svg";

/// An element. Attributes that begin with `on` are listeners; those that are
/// false or missing are left out.
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/// The same of a drawing.
export function drawn(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/// Gives an element its text, if it has another one.
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) {
    element.textContent = wanted;
  }
}

/// Gives it an attribute, or takes it away.
export function setAttribute(element, name, value) {
  if (value === undefined || value === null || value === false) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/// Makes the children of an element those of a list, by their keys: what is
/// there is kept and changed, in the order of the list. `make` gives an element
/// and a function that shows an item in it, of which it may use nothing else: it
/// is made once, and shows what the item has become.
export function keyed(parent, items, key, make) {
  const known = (parent.known ??= new Map());
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    wanted.add(id);
    let entry = known.get(id);
    if (!entry) {
      entry = make(item);
      known.set(id, entry);
    }
    entry.show(item);
    if (entry.element === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(entry.element, place);
    }
  }
  for (const [id, entry] of known) {
    if (!wanted.has(id)) {
      entry.element.remove();
      known.delete(id);
    }
  }
}
