// Asks the service, with the token of this tab in a header. What is refused is thrown as a `Problem`.

import * as token from "../plimsoll/token.js";

const BASE = new URL("../api/v1/", import.meta.url);
/** The service answers by its own deadline; what takes longer is lost on the way. */
const LIMIT = 25_000;

/** By how much the service's clock is ahead of this one, in milliseconds. */
let ahead = 0;

/** Why something was not answered: `status` is 0 where no answer came at all. */
export class Problem extends Error {
  constructor(status, told = {}, retryAfter = null) {
    super(told.title ?? told.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.told = told;
    this.code = told.code ?? "";
    this.advice = told.advice ?? "";
    this.request = told.request_id ?? "";
    this.outcome = told.outcome ?? "";
    /** In milliseconds. */
    this.retryAfter = retryAfter;
  }

  /** It may have been done all the same. */
  get isUnknown() {
    return this.status === 0 || this.outcome.toLowerCase().includes("unknown");
  }

  /** The time was over, or the database could not be asked. */
  get isLate() {
    return this.status === 0 || this.status === 503 || this.status === 504;
  }

  toString() {
    const asked = this.request ? ` (request ${this.request})` : "";
    return `${this.message}${this.advice ? ` ${this.advice}` : ""}${asked}`;
  }
}

/** Now, by the service's clock, in milliseconds since 1970. */
export function now() {
  return Date.now() + ahead;
}

/** A path with these parameters; those that are empty are left out. */
export function withQuery(path, parameters) {
  const said = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return said.length ? `${path}?${new URLSearchParams(said)}` : path;
}

/** What the service answers at a path of its API: JSON, or nothing where the answer has no body. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const shown = token.known();
  const headers = { Accept: "application/json" };
  if (shown) headers.Authorization = `Bearer ${shown}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signals = [AbortSignal.timeout(LIMIT), ...(signal ? [signal] : [])];
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), {
      method, headers, cache: "no-store", credentials: "omit",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(signals),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const isLate = error.name === "TimeoutError";
    throw new Problem(0, { title: isLate ? `The service gave no answer within ${LIMIT / 1e3} s.` : "The service cannot be reached." });
  }
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (date) ahead = Math.abs(date - Date.now()) > 1_500 ? date - Date.now() : 0;
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  const after = Number(answer.headers.get("Retry-After"));
  const problem = new Problem(answer.status, told, after > 0 ? after * 1e3 : null);
  // An answer to a token that was changed since says nothing about the one that is shown now.
  if (answer.status === 401 && shown === token.known()) {
    document.dispatchEvent(new CustomEvent("console:refused", { detail: problem }));
  }
  throw problem;
}
