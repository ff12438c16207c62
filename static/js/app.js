// What every page loads: theme, menus, dialogs, failed requests, ended sessions.

import { mountDialogs } from "./dialogs.js";
import { mountRequests } from "./requests.js";
import { mountSession } from "./session.js";
import { mountShell } from "./shell.js";

mountShell(document);
mountDialogs(document);
mountRequests(document);
mountSession(document);
