// One place where Preact, hooks, signals and htm meet, so that pages import one file.
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { render, Fragment };
export { useEffect, useMemo, useRef, useState } from "./vendor/preact-hooks.js";
export { batch, computed, effect, signal, useSignal } from "./vendor/signals.js";
export const html = htm.bind(h);
