// The tools as clients list them: the words and schemas of the reference server. What they do is loaded at their first
// call.
import { localTool, z } from 'plugboard';
import type { JsonObject, LocalTool, ToolResult } from 'plugboard';
import type { Space } from './space.ts';

const reads: JsonObject = { readOnlyHint: true, openWorldHint: false };

function changes(idempotentHint: boolean, destructiveHint: boolean): JsonObject {
  return { readOnlyHint: false, idempotentHint, destructiveHint, openWorldHint: false };
}

const path = z.string();
const patterns = z.array(z.string()).optional().default([]);
/** Strict: the reference lists its output schemas with `additionalProperties: false`. */
const textOutput = z.strictObject({ content: z.string() });
const textRange = z.object({
  path,
  tail: z.number().optional().describe('If provided, returns only the last N lines of the file'),
  head: z.number().optional().describe('If provided, returns only the first N lines of the file'),
});

function text(content: string): ToolResult {
  return { content: [{ type: 'text', text: content }], structuredContent: { content } };
}

async function readText(args: z.output<typeof textRange>, { state }: { state: Space }): Promise<ToolResult> {
  const { readText: read } = await import('./read.ts');
  return text(await read(state, args.path, args.head, args.tail));
}

/** In the order of the reference server. */
export const tools: readonly LocalTool<Space>[] = [
  localTool({
    name: 'read_file',
    title: 'Read File (Deprecated)',
    description: 'Read the complete contents of a file as text. DEPRECATED: Use read_text_file instead.',
    input: textRange,
    output: textOutput,
    annotations: reads,
    run: readText,
  }),
  localTool({
    name: 'read_text_file',
    title: 'Read Text File',
    description:
      'Read the complete contents of a file from the file system as text. Handles various text encodings and ' +
      'provides detailed error messages if the file cannot be read. Use this tool when you need to examine the ' +
      "contents of a single file. Use the 'head' parameter to read only the first N lines of a file, or the 'tail' " +
      'parameter to read only the last N lines of a file. Operates on the file as text regardless of extension. ' +
      'Only works within allowed directories.',
    input: textRange,
    output: textOutput,
    annotations: reads,
    run: readText,
  }),
  localTool({
    name: 'read_media_file',
    title: 'Read Media File',
    description:
      'Read a file and return it as a base64-encoded content block with its MIME type. Image and audio files are ' +
      'returned as image/audio content; any other file type is returned as an embedded resource. Only works within ' +
      'allowed directories.',
    input: z.object({ path }),
    output: z.strictObject({
      content: z.array(
        z.union([
          z.strictObject({ type: z.enum(['image', 'audio']), data: z.string(), mimeType: z.string() }),
          z.strictObject({
            type: z.literal('resource'),
            resource: z.strictObject({ uri: z.string(), mimeType: z.string().optional(), blob: z.string() }),
          }),
        ]),
      ),
    }),
    annotations: reads,
    async run(args, { state }: { state: Space }) {
      const { readMedia } = await import('./read.ts');
      const content = [await readMedia(state, args.path)];
      return { content, structuredContent: { content } };
    },
  }),
  localTool({
    name: 'read_multiple_files',
    title: 'Read Multiple Files',
    description:
      'Read the contents of multiple files simultaneously. This is more efficient than reading files one by one ' +
      "when you need to analyze or compare multiple files. Each file's content is returned with its path as a " +
      "reference. Failed reads for individual files won't stop the entire operation. Only works within allowed " +
      'directories.',
    input: z.object({
      paths: z
        .array(z.string())
        .min(1)
        .describe(
          'Array of file paths to read. Each path must be a string pointing to a valid file within allowed directories.',
        ),
    }),
    output: textOutput,
    annotations: reads,
    async run(args, { state, signal }: { state: Space; signal: AbortSignal }) {
      const { readTexts } = await import('./read.ts');
      return text(await readTexts(state, args.paths, signal));
    },
  }),
  localTool({
    name: 'write_file',
    title: 'Write File',
    description:
      'Create a new file or completely overwrite an existing file with new content. Use with caution as it will ' +
      'overwrite existing files without warning. Handles text content with proper encoding. Only works within ' +
      'allowed directories.',
    input: z.object({ path, content: z.string() }),
    output: textOutput,
    annotations: changes(true, true),
    async run(args, { state }: { state: Space }) {
      const { writeText } = await import('./write.ts');
      await writeText(state, args.path, args.content);
      return text(`Successfully wrote to ${args.path}`);
    },
  }),
  localTool({
    name: 'edit_file',
    title: 'Edit File',
    description:
      'Make line-based edits to a text file. Each edit replaces exact line sequences with new content. Returns a ' +
      'git-style diff showing the changes made. Only works within allowed directories.',
    input: z.object({
      path,
      edits: z.array(
        z.object({
          oldText: z.string().describe('Text to search for - must match exactly'),
          newText: z.string().describe('Text to replace with'),
        }),
      ),
      dryRun: z.boolean().default(false).describe('Preview changes using git-style diff format'),
    }),
    output: textOutput,
    annotations: changes(false, true),
    async run(args, { state }: { state: Space }) {
      const { editFile } = await import('./edit.ts');
      return text(await editFile(state, args.path, args.edits, args.dryRun));
    },
  }),
  localTool({
    name: 'create_directory',
    title: 'Create Directory',
    description:
      'Create a new directory or ensure a directory exists. Can create multiple nested directories in one ' +
      'operation. If the directory already exists, this operation will succeed silently. Perfect for setting up ' +
      'directory structures for projects or ensuring required paths exist. Only works within allowed directories.',
    input: z.object({ path }),
    output: textOutput,
    annotations: changes(true, false),
    async run(args, { state }: { state: Space }) {
      const { makeDirectory } = await import('./write.ts');
      await makeDirectory(state, args.path);
      return text(`Successfully created directory ${args.path}`);
    },
  }),
  localTool({
    name: 'list_directory',
    title: 'List Directory',
    description:
      'Get a detailed listing of all files and directories in a specified path. Results clearly distinguish between ' +
      'files and directories with [FILE] and [DIR] prefixes. This tool is essential for understanding directory ' +
      'structure and finding specific files within a directory. Only works within allowed directories.',
    input: z.object({ path }),
    output: textOutput,
    annotations: reads,
    async run(args, { state }: { state: Space }) {
      const { listDirectory } = await import('./list.ts');
      return text(await listDirectory(state, args.path));
    },
  }),
  localTool({
    name: 'list_directory_with_sizes',
    title: 'List Directory with Sizes',
    description:
      'Get a detailed listing of all files and directories in a specified path, including sizes. Results clearly ' +
      'distinguish between files and directories with [FILE] and [DIR] prefixes. This tool is useful for ' +
      'understanding directory structure and finding specific files within a directory. Only works within allowed ' +
      'directories.',
    input: z.object({
      path,
      sortBy: z.enum(['name', 'size']).optional().default('name').describe('Sort entries by name or size'),
    }),
    output: textOutput,
    annotations: reads,
    async run(args, { state }: { state: Space }) {
      const { listWithSizes } = await import('./list.ts');
      return text(await listWithSizes(state, args.path, args.sortBy));
    },
  }),
  localTool({
    name: 'directory_tree',
    title: 'Directory Tree',
    description:
      "Get a recursive tree view of files and directories as a JSON structure. Each entry includes 'name', 'type' " +
      "(file/directory), and 'children' for directories. Files have no children array, while directories always " +
      'have a children array (which may be empty). The output is formatted with 2-space indentation for ' +
      'readability. Only works within allowed directories.',
    input: z.object({ path, excludePatterns: patterns }),
    output: textOutput,
    annotations: reads,
    async run(args, { state, signal }: { state: Space; signal: AbortSignal }) {
      const { showTree } = await import('./walk.ts');
      return text(await showTree(state, args.path, args.excludePatterns, signal));
    },
  }),
  localTool({
    name: 'move_file',
    title: 'Move File',
    description:
      'Move or rename files and directories. Can move files between directories and rename them in a single ' +
      'operation. If the destination exists, the operation will fail. Works across different directories and can be ' +
      'used for simple renaming within the same directory. Both source and destination must be within allowed ' +
      'directories.',
    input: z.object({ source: z.string(), destination: z.string() }),
    output: textOutput,
    annotations: changes(false, true),
    async run(args, { state }: { state: Space }) {
      const { move } = await import('./write.ts');
      await move(state, args.source, args.destination);
      return text(`Successfully moved ${args.source} to ${args.destination}`);
    },
  }),
  localTool({
    name: 'search_files',
    title: 'Search Files',
    description:
      'Recursively search for files and directories matching a pattern. The patterns should be glob-style patterns ' +
      "that match paths relative to the working directory. Use pattern like '*.ext' to match files in current " +
      "directory, and '**/*.ext' to match files in all subdirectories. Returns full paths to all matching items. " +
      "Great for finding files when you don't know their exact location. Only searches within allowed directories.",
    input: z.object({ path, pattern: z.string(), excludePatterns: patterns }),
    output: textOutput,
    annotations: reads,
    async run(args, { state, signal }: { state: Space; signal: AbortSignal }) {
      const { search } = await import('./walk.ts');
      return text(await search(state, args.path, args.pattern, args.excludePatterns, signal));
    },
  }),
  localTool({
    name: 'get_file_info',
    title: 'Get File Info',
    description:
      'Retrieve detailed metadata about a file or directory. Returns comprehensive information including size, ' +
      'creation time, last modified time, permissions, and type. This tool is perfect for understanding file ' +
      'characteristics without reading the actual content. Only works within allowed directories.',
    input: z.object({ path }),
    output: textOutput,
    annotations: reads,
    async run(args, { state }: { state: Space }) {
      const { describeFile } = await import('./list.ts');
      return text(await describeFile(state, args.path));
    },
  }),
  localTool({
    name: 'list_allowed_directories',
    title: 'List Allowed Directories',
    description:
      'Returns the list of directories that this server is allowed to access. Subdirectories within these allowed ' +
      'directories are also accessible. Use this to understand which directories and their nested paths are ' +
      'available before trying to access files.',
    input: z.object({}),
    output: textOutput,
    annotations: reads,
    run: (_args, { state }: { state: Space }) => text(`Allowed directories:\n${state.root.spellings.join('\n')}`),
  }),
];
