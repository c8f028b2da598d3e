// The files below `crds/`: names and text. The definitions themselves are made in `crd.ts`.
import { stringify } from 'yaml';
import { crds } from './crd.ts';
import type { CustomResourceDefinition } from './crd.ts';

const comment = `# Generated from src/schema by \`node dist/src/schema/write-crds.js\`; changes belong there.\n`;

const presetComment = `# Instead of ../taskruns.orchestrator.io.yaml where objects exist with \`toolConfig: minimal\`, the name of a preset as text.
# The API server then checks less of toolConfig; the proxy still checks all of it.\n`;

/** The text of each file by its path below `crds/`. */
export function crdFiles(): ReadonlyMap<string, string> {
  const files = new Map(crds().map((crd) => [`${crd.metadata.name}.yaml`, comment + toYaml(crd)]));
  for (const crd of crds({ presetAsText: true })) {
    if (crd.spec.names.kind !== 'TaskRun') continue;
    files.set(`preset-as-text/${crd.metadata.name}.yaml`, comment + presetComment + toYaml(crd));
  }
  return files;
}

function toYaml(crd: CustomResourceDefinition): string {
  return stringify(crd, { lineWidth: 120, aliasDuplicateObjects: false });
}
