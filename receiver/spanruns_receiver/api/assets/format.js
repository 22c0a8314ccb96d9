// Values as people read them.

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1, notation: "compact" });

/** Milliseconds as 12 ms, 3.4 s, 5 min 6 s, 2 h 3 min. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A moment as so long ago. */
export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** A moment in the reader's own time. */
export const moment = (iso) => (iso ? new Date(iso).toLocaleString() : "");

/** US dollars; nothing where the cost is not known. */
export function cost(usd) {
  if (usd === null || usd === undefined) return "";
  return usd !== 0 && usd < 0.01 ? `$${usd.toPrecision(2)}` : `$${usd.toFixed(2)}`;
}

/** A count, 12.3K. */
export const count = (n) => (n ? number.format(n) : n === 0 ? "0" : "");

/** A share, 97 %. */
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);

/** JSON indented, anything else as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
