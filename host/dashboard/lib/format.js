// Figures as people read them. What is not known is a dash.

const NONE = "–";

/// A count, with spaces between thousands.
export function count(value) {
  return value === undefined || value === null ? NONE : Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202f");
}

/// So many in a second.
export function rate(value) {
  if (!value) {
    return "0";
  }
  return value < 10 ? value.toFixed(value < 1 ? 2 : 1) : count(value);
}

/// A part of a whole in percent.
export function share(part, whole) {
  if (!part || !whole) {
    return "0%";
  }
  const percent = (100 * part) / whole;
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}%`;
}

/// Microseconds.
export function micros(value) {
  if (value === undefined || value === null) {
    return NONE;
  }
  if (value < 1_000) {
    return `${Math.round(value)} µs`;
  }
  return millis(value / 1_000);
}

/// Milliseconds.
export function millis(value) {
  if (value === undefined || value === null) {
    return NONE;
  }
  if (value < 1_000) {
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  }
  const seconds = value / 1_000;
  return seconds < 60 ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s` : span(seconds);
}

/// Bytes.
export function bytes(value) {
  if (value === undefined || value === null) {
    return NONE;
  }
  const units = ["B", "KiB", "MiB", "GiB"];
  let [size, unit] = [value, 0];
  while (1_024 <= size && unit < units.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${size < 10 && unit ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/// Seconds, by their largest unit.
export function span(seconds) {
  if (seconds < 90) {
    return `${Math.max(0, Math.round(seconds))} s`;
  }
  if (seconds < 5_400) {
    return `${Math.round(seconds / 60)} min`;
  }
  return seconds < 129_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/// How long ago a moment was; both in milliseconds since 1970.
export function ago(then, now) {
  const seconds = (now - then) / 1_000;
  return seconds < 3 ? "just now" : `${span(seconds)} ago`;
}

/// The time of the day of a moment.
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB", { hour12: false });
}

/// The beginning of a digest.
export function digest(hex) {
  return `sha256:${hex.replace("sha256:", "").slice(0, 8)}`;
}

/// The word in the number that fits.
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
