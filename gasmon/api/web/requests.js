// Calls to the HTTP interface. Every failure becomes an `ApiError` with the server's
// own words (problem+json) or, without an answer, status 0.
import { ended, me } from "./state.js";

const JSON_BODY = { "Content-Type": "application/json" };

export class ApiError extends Error {
  /** `fields` are the names of what was not understood. */
  constructor(status, detail, retryAfterS, fields) {
    super(detail);
    this.status = status;
    this.retryAfterS = retryAfterS || 0;
    this.fields = fields || [];
  }
}

async function send(method, path, headers, body, signal) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, String(error.message || error));
  }
  const text = await response.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch (_) {
    // A proxy's HTML page, not our server's JSON: the status alone is told.
  }
  if (response.ok) return data;
  throw new ApiError(
    response.status,
    (data && (data.detail || data.title)) || response.statusText,
    Number(response.headers.get("Retry-After")),
    // `body.from` is the field `from`.
    ((data && data.errors) || []).map((one) => String(one.where).split(".")[1]).filter(Boolean),
  );
}

/** `query` as the end of an address; empty values are left out. */
export function queryText(query) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== null && value !== undefined && value !== "") search.set(name, value);
  }
  const tail = search.toString();
  return tail ? `?${tail}` : "";
}

/** GET `path` below /api/v1 with `query`. */
export async function get(path, query, signal) {
  return guard(send("GET", `/api/v1${path}${queryText(query)}`, {}, undefined, signal));
}

export async function post(path, body) {
  return guard(unsafe("POST", path, body));
}

async function unsafe(method, path, body) {
  // The CSRF token lives in memory only; another tab may have signed in anew since.
  const headers = { ...JSON_BODY };
  if (me.value && me.value.csrf) headers["X-CSRF-Token"] = me.value.csrf;
  try {
    return await send(method, `/api/v1${path}`, headers, body);
  } catch (error) {
    if (error.status !== 403 || !(await refreshMe())) throw error;
    headers["X-CSRF-Token"] = me.value.csrf;
    return send(method, `/api/v1${path}`, headers, body);
  }
}

async function refreshMe() {
  const before = me.value && me.value.csrf;
  try {
    me.value = await send("GET", "/api/v1/me", {});
  } catch (_) {
    return false;
  }
  return Boolean(me.value && me.value.csrf && me.value.csrf !== before);
}

async function guard(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.status === 401) loseSession();
    throw error;
  }
}

function loseSession() {
  if (me.value) ended.value = true;
  me.value = null;
}

/** Reads who we are; null when not signed in. Other failures are thrown. */
export async function whoAmI() {
  try {
    me.value = await send("GET", "/api/v1/me", {});
  } catch (error) {
    if (error.status !== 401) throw error;
    loseSession();
  }
  return me.value;
}

/** Exchanges an access token for a session cookie. */
export async function signIn(token) {
  await send("POST", "/api/v1/session", { Authorization: `Bearer ${token}` });
  ended.value = false;
  return whoAmI();
}

/** Logs in with a name and a password. */
export async function signInByName(name, password) {
  await send("POST", "/api/v1/session", JSON_BODY, { name, password });
  ended.value = false;
  return whoAmI();
}

/** Whose password a one-time link sets. */
export function lookAtLink(link) {
  return send("POST", "/api/v1/links/look", JSON_BODY, { link });
}

/** Sets the password of a one-time link, which logs in. */
export async function useLink(link, password) {
  await send("POST", "/api/v1/links/use", JSON_BODY, { link, password });
  ended.value = false;
  return whoAmI();
}

/** Changes one's own password: this log-in goes on with new secrets, all others end. */
export async function changePassword(before, after) {
  await guard(unsafe("POST", "/password", { old: before, new: after }));
  return whoAmI();
}

/** DELETE `path` below /api/v1: ends or takes back; nothing is ever removed. */
export async function takeBack(path) {
  return guard(unsafe("DELETE", path));
}

/** Ends this log-in, or every one of the account. */
export async function signOut(everywhere) {
  try {
    await unsafe("DELETE", everywhere ? "/sessions" : "/session");
  } finally {
    ended.value = false;
    me.value = null;
  }
}
