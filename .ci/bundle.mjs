// Bundles the compiled core with its dependencies, and every plugin with its own modules, into their lib folders, because
// reading one file is faster than reading three hundred: each ES module costs a process about a millisecond at start.
// What is imported on demand stays a file of its own.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const coreEntries = {
  index: 'core/dist/src/index.js',
  cli: 'core/dist/src/cli/main.js',
  // Started by its URL, not imported.
  'worker-entry': 'core/dist/src/worker/worker-entry.js',
};

/** The packages that are bundled: the core whole, a plugin without its dependencies (it shares `plugboard` with the proxy). */
function packagesOf(root) {
  const plugins = readdirSync(path.join(root, 'plugins')).filter(
    (name) => entryOf(root, `plugins/${name}`) !== undefined,
  );
  return [
    { folder: 'core', entries: coreEntries, external: false },
    ...plugins.map((name) => ({
      folder: `plugins/${name}`,
      entries: entryOf(root, `plugins/${name}`),
      external: true,
    })),
  ];
}

/** Entries of a plugin whose package.json leads into its lib folder; undefined when it is published as compiled. */
function entryOf(root, folder) {
  const manifest = path.join(root, folder, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const { exports = {} } = JSON.parse(readFileSync(manifest, 'utf8'));
  const names = Object.values(exports).flatMap((each) => /^\.\/lib\/(.+)\.js$/.exec(each.default ?? '')?.[1] ?? []);
  return names.length === 0
    ? undefined
    : Object.fromEntries(names.map((name) => [name, `${folder}/dist/src/${name}.js`]));
}

// CommonJS dependencies call require for Node's own modules, which an ES module does not have. The long name meets none
// of theirs.
const banner = `import { createRequire as createRequireForBundle } from 'node:module';
const require = createRequireForBundle(import.meta.url);`;

function stampOf(root, file) {
  const stat = statSync(path.join(root, file), { throwIfNoEntry: false });
  return stat && `${stat.mtimeMs}/${stat.size}`;
}

const stampAll = (root, files) => Object.fromEntries(files.map((file) => [file, stampOf(root, file)]));

/** A file that changed while it was being bundled gets no stamp, so that the next build bundles again. */
function stampInputs(root, files, startedAt) {
  const stamps = stampAll(root, files);
  for (const file of files) if (Number.parseFloat(stamps[file]) >= startedAt) stamps[file] = 'changed';
  return stamps;
}

const ownText = readFileSync(fileURLToPath(import.meta.url));

/** Changes with this file, so that another way to bundle counts like another input. */
const recipe = createHash('sha256').update(ownText).digest('hex');

function isCurrent(root, stateFile, wanted) {
  if (!existsSync(path.join(root, stateFile))) return false;
  const state = JSON.parse(readFileSync(path.join(root, stateFile), 'utf8'));
  const same = (stamps) => Object.entries(stamps).every(([file, stamp]) => stampOf(root, file) === stamp);
  const sameEntries = JSON.stringify(state.entries) === JSON.stringify(wanted);
  return state.recipe === recipe && sameEntries && same(state.inputs) && same(state.outputs);
}

async function runEsbuild(root, libFolder, entryPoints, external) {
  const { build } = await import('esbuild');
  return build({
    absWorkingDir: root,
    entryPoints,
    outdir: libFolder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    treeShaking: true,
    legalComments: 'none',
    // The engine parses every byte at every start. Stack traces read well with `node --enable-source-maps`.
    minify: true,
    sourcemap: 'linked',
    ...(external ? { packages: 'external' } : { banner: { js: banner } }),
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
}

// New chunks first, entries last, then what nobody refers to any more goes: whoever starts meanwhile finds a whole
// bundle.
function writeOutputs(root, libFolder, outputFiles, entryPoints) {
  const lib = path.join(root, libFolder);
  mkdirSync(lib, { recursive: true });
  const isEntry = (file) => path.basename(file, '.js') in entryPoints;
  for (const { path: file, contents } of outputFiles.toSorted((a, b) => isEntry(a.path) - isEntry(b.path))) {
    const temporary = `${file}.${process.pid}.tmp`;
    writeFileSync(temporary, contents);
    renameSync(temporary, file);
  }
  const kept = new Set(outputFiles.map((file) => path.basename(file.path)));
  for (const name of readdirSync(lib)) if (!kept.has(name)) rmSync(path.join(lib, name), { recursive: true });
}

/** One import of `z` from zod itself keeps the messages of fifty languages, a third of the bundle, in every start. */
function warnOfLanguages(metafile) {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const languages = inputs.filter(
    ([file, { bytesInOutput }]) => /\/zod\/.*\/locales\/(?!en\.)/.test(file) && bytesInOutput > 0,
  );
  if (languages.length > 1)
    console.log("bundle: zod's languages are in it; import only what is used from 'zod', not z");
}

/** Writes the lib folder of one package unless it is current. An entry that is not compiled is left out with a note. */
async function bundlePackage(root, { folder, entries, external }) {
  const libFolder = `${folder}/lib`;
  const stateFile = `${folder}/node_modules/.cache/bundle.json`;
  const present = Object.entries(entries).filter(([, file]) => existsSync(path.join(root, file)));
  const entryPoints = Object.fromEntries(present);
  for (const [name, file] of Object.entries(entries)) {
    if (!(name in entryPoints)) console.log(`bundle: ${file} does not exist; ${libFolder}/${name}.js is left out`);
  }
  if (present.length === 0 || isCurrent(root, stateFile, entryPoints)) return;

  const startedAt = Date.now();
  const { metafile, outputFiles } = await runEsbuild(root, libFolder, entryPoints, external);
  const inputs = stampInputs(root, Object.keys(metafile.inputs), startedAt);
  writeOutputs(root, libFolder, outputFiles, entryPoints);
  const outputs = stampAll(root, Object.keys(metafile.outputs));
  mkdirSync(path.join(root, path.dirname(stateFile)), { recursive: true });
  const state = { recipe, entries: entryPoints, inputs, outputs };
  writeFileSync(path.join(root, stateFile), JSON.stringify(state));

  warnOfLanguages(metafile);
  const code = outputFiles.filter((file) => file.path.endsWith('.js'));
  const size = code.reduce((sum, file) => sum + file.contents.length, 0);
  const summary = `${code.length} files, ${Math.round(size / 1024)} KiB, ${Date.now() - startedAt} ms`;
  console.log(`bundle: ${libFolder}: ${summary}`);
}

/**
 * Brings the lib folders of all packages up to date.
 * @param {string} root the workspace
 */
export async function bundleAll(root) {
  for (const each of packagesOf(root)) await bundlePackage(root, each);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await bundleAll(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
}
