// Talks to the server: forms go out, JSON comes back, and each way to fail has a name.

export class Offline extends Error {}
export class LoggedOut extends Error {}

export class Refused extends Error {
  constructor(status, body) {
    super(body.message || `The server answered ${status}`);
    Object.assign(this, { status, body });
  }
}

const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1]
  || document.querySelector("[name=csrfmiddlewaretoken]").value;

export function form(data) {
  const body = new FormData();
  for (const [name, value] of Object.entries(data)) {
    for (const one of Array.isArray(value) && name !== "labels" ? value : [value]) {
      body.append(name, typeof one === "object" ? JSON.stringify(one) : one);
    }
  }
  return body;
}

let speaker = "";

// Whose page this is: the server refuses its changes while somebody else is logged in in another window.
export function speakFor(user) {
  speaker = String(user);
}

// A redirect of these paths can only lead to the login page. What is broken off, a 5xx, or a page in the place of our
// JSON (the gate of a network) is no answer of ours: the request is sent again.
// leaving: the request outlives the page.
export async function call(url, data = null, leaving = false) {
  let answer;
  let body = null;
  try {
    answer = await fetch(url, {
      method: data ? "POST" : "GET", body: data && form(data), redirect: "manual", keepalive: leaving,
      headers: { "X-CSRFToken": token(), Accept: "application/json", ...(data && { "X-User": speaker }) },
    });
    if (answer.headers.get("Content-Type")?.includes("json")) body = await answer.json();
  } catch (error) {
    throw new Offline(error.message);
  }
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new LoggedOut();
  if (answer.status >= 500 || (answer.ok && !body)) throw new Offline(`The server answered ${answer.status}`);
  if (!answer.ok) throw new Refused(answer.status, body || {});
  return body;
}

// Logs in beside the page; allauth answers this header with JSON instead of pages.
export async function logIn(url, email, password) {
  const answer = await fetch(url, {
    method: "POST", body: form({ login: email, password }),
    headers: { "X-CSRFToken": token(), "X-Requested-With": "XMLHttpRequest", Accept: "application/json" },
  });
  const body = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
  const fields = Object.values(body.form?.fields || {}).flatMap((field) => field.errors || []);
  return { ok: answer.ok, location: body.location, errors: [...(body.form?.errors || []), ...fields] };
}
