// Requests to the server. Changes carry the version they were made for, and a name of their own, so
// that sending one again after a broken connection does nothing twice.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

async function send(method, path, { body, version, key } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  if (key) headers["Idempotency-Key"] = key;
  for (let attempt = 0; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
      });
    } catch {
      if (attempt < 3 && (method === "GET" || key)) {
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
        continue;
      }
      throw new ApiError(0, "the server does not answer");
    }
    if (answer.status === 204) return null;
    const data = await answer.json().catch(() => null);
    if (!answer.ok) throw new ApiError(answer.status, data?.error?.message ?? `error ${answer.status}`);
    return data;
  }
}

export const get = (path) => send("GET", path);
export const post = (path, body = {}, version = undefined) => send("POST", path, { body, version });
export const patch = (path, body, version) => send("PATCH", path, { body, version });
export const remove = (path, version) => send("DELETE", path, { version });
export const startJob = (path, body = {}, version = undefined, method = "POST") =>
  send(method, path, { body: method === "POST" ? body : undefined, version, key: newKey() });
