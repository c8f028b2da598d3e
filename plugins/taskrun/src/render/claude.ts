// What one task means for Claude Code: its files, its flags, its environment. No file holds the token: it comes from the environment.
import type { JsonObject } from 'plugboard';
import { internalTools } from '../engine/internal.ts';
import type { InternalTools, RenderInput } from '../task.ts';
import { instructions, promptText } from './claude-documents.ts';
import { allowsEverything, compileInternal, offeredTools } from './internal-tools.ts';

/** What an agent is started with. */
export interface RenderedAgent {
  /**
   * By name: `.mcp.json`, `settings.json`, `managed-settings.json` (instead of settings.json where administrators put theirs, so that the
   * agent can neither edit nor overrule it), `CLAUDE.md`, and `prompt.md` when the task has a prompt.
   */
  readonly files: Record<string, string>;
  /** Arguments of `claude` for a run without a person; the prompt is its standard input. Files are named as in `files`. */
  readonly flags: string[];
  /** Variables the agent needs: `NAME=value`, or `NAME` alone for one whose value only its owner has. */
  readonly environment: string[];
  readonly warnings: string[];
}

/** Variable that holds the task's token. */
const tokenVariable = 'PLUGBOARD_TOKEN';

/** Variable that says where the proxy is, when that is only known where the agent runs. */
const urlVariable = 'MCP_PROXY_URL';

/** Seconds that the agent waits for the proxy's decision about a call; behind that it would go on without one. */
const hookTimeout = 60;

/** Seconds that the agent's first request waits for the proxy to answer at all. */
const startTimeout = 60;

/** Renders a task for Claude Code. */
export function renderClaude(input: RenderInput): RenderedAgent {
  const { task, proxy, tools } = input;
  const rules = rulesInForce(input);
  const { allow, deny, warnings } = compileInternal(rules);
  const permissions = { allow: [serverRule(proxy), ...allow], deny };
  const hook = decisionHook(input.hookUrl);
  const settings = settingsOf(input, permissions, hook);
  const prompt = promptText(task);
  return {
    files: {
      '.mcp.json': toJson({ mcpServers: { [proxy]: proxyEntry(input.url) } }),
      'settings.json': toJson(settings),
      'managed-settings.json': toJson(managedSettings(proxy, settings, hook)),
      'CLAUDE.md': instructions(task, proxy, offeredTools(rules).includes('ReadMcpResourceTool')),
      ...(prompt === undefined ? {} : { 'prompt.md': prompt }),
    },
    flags: flagsOf(rules, task.spec.model),
    environment: [tokenVariable, `${urlVariable}=${input.url}`],
    warnings: [
      ...warnings,
      ...(tools.length === 0 ? ['the task has no tools of servers now; the agent will see none'] : []),
      ...(hook['type'] === 'command' ? [commandHookWarning] : []),
    ],
  };
}

/** The object's rules for internal tools, and what was switched since. */
function rulesInForce({ task }: RenderInput): InternalTools {
  const live = [
    ...task.enabled.map((selector) => ({ selector, on: true })),
    ...task.disabled.map((selector) => ({ selector, on: false })),
  ];
  return internalTools(task.spec.internalTools, live);
}

/**
 * The rule that allows the tools of the proxy: all of them, by the server's name. The proxy lists what the task may call and nothing else,
 * and refuses the rest, so the settings need not repeat that list; and a tool that is enabled later needs no other settings and no restart.
 */
function serverRule(proxy: string): string {
  // With two underscores in it, a name alone would be read as server and tool.
  return proxy.includes('__') ? `mcp__${proxy}__*` : `mcp__${proxy}`;
}

function proxyEntry(url: string): JsonObject {
  return {
    type: 'http',
    url: `\${${urlVariable}:-${url}}`,
    // Without a default: an agent that lacks its token gets no connection, and no tools.
    headers: { Authorization: `Bearer \${${tokenVariable}}` },
  };
}

function settingsOf({ proxy, url }: RenderInput, permissions: JsonObject, hook: JsonObject): JsonObject {
  return {
    permissions: { ...permissions, defaultMode: 'dontAsk', disableBypassPermissionsMode: 'disable' },
    hooks: {
      SessionStart: [{ hooks: [waitingHook(url)] }],
      // The proxy decides about its own tools when they are called.
      PreToolUse: [{ matcher: `^(?!mcp__${proxy}__)`, hooks: [hook] }],
    },
    // With deferred tools the agent's requests would hold names only, and a change of the list would not reach it.
    env: { ENABLE_TOOL_SEARCH: 'false' },
  };
}

/**
 * The hook that holds the first request until the proxy answers. Claude Code connects to its servers beside its start, and after two seconds
 * begins without the tools of one that is slow. Its own setting for waiting (`alwaysLoad`, MCP_CONNECTION_NONBLOCKING) is no way out: tools
 * that were there at its start then stay in its list for the whole run. Without curl nothing waits, and nothing else changes.
 */
function waitingHook(url: string): JsonObject {
  const address = `"\${${urlVariable}:-${shellText(url)}}"`;
  const command = `curl --silent --output /dev/null --max-time ${startTimeout} ${address} || true`;
  return { type: 'command', command, timeout: startTimeout + 5 };
}

/** The same for the place that only administrators write to (Linux: /etc/claude-code): nobody else's rules, hooks and servers count then. */
function managedSettings(proxy: string, settings: JsonObject, hook: JsonObject): JsonObject {
  return {
    ...settings,
    allowManagedPermissionRulesOnly: true,
    allowManagedHooksOnly: true,
    allowManagedMcpServersOnly: true,
    allowedMcpServers: [{ serverName: proxy }],
    httpHookAllowedEnvVars: [tokenVariable],
    allowedHttpHookUrls: typeof hook['url'] === 'string' ? [hook['url']] : [],
  };
}

/**
 * The hook that asks the proxy before each call of an internal tool. Claude Code refuses HTTP hooks to private addresses other than
 * loopback, and takes a hook that fails for one that has nothing to say; then a command asks instead, and a failure refuses the call.
 */
function decisionHook(url: string): JsonObject {
  const { href } = new URL(url);
  if (takesHttpHook(href)) {
    const headers = { Authorization: `Bearer \${${tokenVariable}}` };
    return { type: 'http', url: href, headers, allowedEnvVars: [tokenVariable], timeout: hookTimeout };
  }
  const ask =
    `curl --silent --show-error --fail --max-time ${hookTimeout} --header "Authorization: Bearer $${tokenVariable}" ` +
    `--header 'Content-Type: application/json' --data-binary @- "${shellText(href)}"`;
  return {
    type: 'command',
    command: `${ask} || { echo 'The proxy did not decide about this call.' >&2; exit 2; }`,
    timeout: hookTimeout + 5,
  };
}

const commandHookWarning =
  'the hook is a command (curl, which the agent’s image must have), because Claude Code sends no HTTP hook to a private address other than loopback; a proxy beside the agent needs none';

/** True for loopback, and for public hosts by https. A name without a dot, or of a private zone, leads to a private address. */
function takesHttpHook(url: string): boolean {
  const { hostname, protocol } = new URL(url);
  if (/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)) return true;
  if (protocol !== 'https:' || hostname.startsWith('[') || !hostname.includes('.')) return false;
  if (/\.(?:svc|local|internal|lan|home|corp|intranet|arpa|test|localhost)\.?$/.test(hostname)) return false;
  return !/^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.[\d.]+$/.test(
    hostname,
  );
}

function flagsOf(rules: InternalTools, model: string | undefined): string[] {
  return [
    ...['-p', '--output-format', 'stream-json', '--verbose'],
    ...['--mcp-config', '.mcp.json', '--strict-mcp-config'],
    ...['--settings', 'settings.json', '--permission-mode', 'dontAsk'],
    // Also tools that a later version has and this proxy does not know are left out then.
    ...(allowsEverything(rules) ? [] : ['--tools', offeredTools(rules).join(',')]),
    ...(model === undefined ? [] : ['--model', model]),
  ];
}

/** A URL between double quotes of a shell: what would end it or be expanded is percent-encoded. */
function shellText(url: string): string {
  return new URL(url).href.replaceAll(/["$`\\{}]/g, encodeURIComponent);
}

function toJson(value: JsonObject): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
