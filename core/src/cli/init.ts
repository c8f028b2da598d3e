// `plugboard init`: a configuration to start from, commented. It never overwrites a file.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { configFileNames, findConfigFile } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { invocation } from './invocation.ts';
import { shellWord } from './shell-word.ts';

const text = `# Which servers and tools your agents get. All keys: docs/configuration.md.
# Check it with \`plugboard doctor\`, start it with \`plugboard up\`; changes are applied while it runs.

plugins:
  http:                       # MCP over HTTP at http://127.0.0.1:8807/mcp
    port: 8807
  filesystem:                 # files below this folder, and no others
    root: ./workspace
  memory: {}                  # a knowledge graph that survives restarts

# MCP servers in the format that clients use. \${env:NAME} and \${file:PATH} keep secrets out of this file.
# mcpServers:
#   everything:
#     command: npx
#     args: ["-y", "@modelcontextprotocol/server-everything"]
#   github:
#     type: http
#     url: https://api.githubcopilot.com/mcp/
#     headers:
#       Authorization: "Bearer \${env:GITHUB_TOKEN}"

# What callers without a credential get: server:tool with globs; deny beats allow.
# tools:
#   allow: ["*"]
#   deny: ["filesystem:write_*", "filesystem:move_file"]

# Callers with a token of their own. As soon as there is one, callers without a credential get nothing by default.
# grants:
#   alice:
#     token: "\${env:ALICE_TOKEN}"
#     tools:
#       allow: ["memory:*", "filesystem:read_*"]
`;

/** Writes the file and the folder it names. Throws CONFIG_EXISTS. */
export async function init(options: { readonly config?: string }, output: Console): Promise<number> {
  const [usual] = configFileNames;
  const file = path.resolve(options.config ?? usual);
  const existing = options.config === undefined ? findConfigFile(process.cwd()) : existsSync(file) ? file : undefined;
  if (existing !== undefined) throw new PlugboardError('CONFIG_EXISTS', `${existing} exists and was left as it is`);
  const workspace = path.join(path.dirname(file), 'workspace');
  const made = (await mkdir(workspace, { recursive: true })) !== undefined;
  await writeFile(file, text, { flag: 'wx' });
  const flags =
    path.dirname(file) === process.cwd() && path.basename(file) === usual
      ? ''
      : ` --config ${shellWord(path.relative(process.cwd(), file))}`;
  const next = ['doctor', 'up'].map((command) => `${invocation()} ${command}${flags}`);
  if (output.json) output.printJson({ file, workspace, next });
  else {
    output.print(`wrote ${file}`);
    output.print(`${made ? 'made' : 'took the present folder'} ${workspace}, the folder that agents work in`);
    output.print(`next: ${next.join(', then ')}`);
  }
  return exitCodes.ok;
}
