// Reading the import statements of TypeScript files: who imports what, on which line. Judging them is boundaries.mjs's
// part.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

// esbuild drops imports that are only types, so it gets them to read as imports of values. Text in templates may change
// as well; nobody reads the result.
const withoutTypeKeyword = (source) => source.replace(/^(\s*(?:import|export)) type (?=[{*]|\w+ from )/gm, '$1 ');

function lineOf(source, specifier) {
  const quoted = [`'${specifier}'`, `"${specifier}"`].map((text) => source.indexOf(text)).filter((index) => index >= 0);
  return quoted.length === 0 ? 1 : source.slice(0, Math.min(...quoted)).split('\n').length;
}

/**
 * Every import, dynamic import, re-export and require of the given files.
 * @param {string} root what the paths are relative to
 * @param {string[]} files TypeScript or JavaScript files
 * @returns {Promise<{ file: string, line: number, specifier: string }[]>} sorted by file and line
 */
export async function readImports(root, files) {
  const found = [];
  const collector = {
    name: 'collect-imports',
    setup({ onLoad, onResolve }) {
      onLoad({ filter: /\.[cm]?[tj]s$/ }, ({ path: file }) => {
        const contents = withoutTypeKeyword(readFileSync(file, 'utf8'));
        return { contents, loader: 'ts', resolveDir: path.dirname(file) };
      });
      onResolve({ filter: /./ }, ({ path: specifier, importer, kind }) => {
        if (kind === 'entry-point') return undefined;
        const line = lineOf(readFileSync(importer, 'utf8'), specifier);
        found.push({ file: path.relative(root, importer), line, specifier });
        return { path: specifier, external: true };
      });
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: files,
    plugins: [collector],
    bundle: true,
    format: 'esm',
    write: false,
    outdir: 'unused',
    logLevel: 'error',
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  return found.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}
