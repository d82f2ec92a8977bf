// What a page can prove of its alarm events: since when none is missing, how many came,
// and up to when they are complete. Pure.

export const NO_PROOF = { sinceMs: NaN, n: 0, completeMs: NaN, hole: null };

/** A stream opened: it goes on where it was, or there is a hole up to now. */
export function joined(before, { resumed, at_ms: atMs }) {
  if (resumed && Number.isFinite(before.sinceMs)) return before;
  const hole = Number.isFinite(before.completeMs) ? [before.completeMs, atMs] : before.hole;
  return { sinceMs: atMs, n: 0, completeMs: atMs, hole };
}

export function counted(before) {
  return { ...before, n: before.n + 1 };
}

/** A heartbeat: everything up to `complete_ms` was told. */
export function beaten(before, { complete_ms: completeMs }) {
  return completeMs > before.completeMs ? { ...before, completeMs } : before;
}
