// The custom resource definitions of both kinds, made of the same schemas that validate files. Writing them to disk is in `write-crds.ts`.
import { kinds } from './kinds.ts';
import type { Kind } from './kinds.ts';
import { structuralSchema } from './structural.ts';
import type { StructuralSchema } from './structural.ts';
import { presetNames } from './tool-config.ts';

/** A custom resource definition with one version, as `kubectl apply` takes it. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: 'Namespaced';
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames: readonly string[];
      readonly categories: readonly string[];
    };
    readonly versions: readonly {
      readonly name: string;
      readonly served: true;
      readonly storage: true;
      readonly additionalPrinterColumns: Kind['columns'];
      readonly subresources: { readonly status: Record<string, never> };
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
}

export interface CrdOptions {
  /**
   * True: `toolConfig` may also be the name of a preset, as in the field's own objects. A structural schema cannot say "string or object",
   * so `toolConfig` has no type then: the API server checks its known members only, and none of the rules within.
   */
  readonly presetAsText?: boolean;
}

/** The definitions of TaskRun and CodeRun. */
export function crds(options: CrdOptions = {}): CustomResourceDefinition[] {
  return kinds.map((kind) => crd(kind, options));
}

function crd(kind: Kind, { presetAsText = false }: CrdOptions): CustomResourceDefinition {
  const { group, plural, version, columns } = kind;
  const spec = structuralSchema(kind.spec);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular: kind.kind.toLowerCase(),
        shortNames: [kind.shortName],
        categories: ['plugboard'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: kind.description,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string', description: 'Version of the schema' },
                kind: { type: 'string', description: 'Kind of the object' },
                metadata: { type: 'object' },
                spec: presetAsText ? withPresetAsText(spec) : spec,
                status: structuralSchema(kind.status),
              },
            },
          },
        },
      ],
    },
  };
}

function withPresetAsText(spec: StructuralSchema): StructuralSchema {
  const { toolConfig, ...others } = spec.properties ?? {};
  if (toolConfig === undefined) return spec;
  const { type: _, ...untyped } = toolConfig;
  const loose: StructuralSchema = {
    ...untyped,
    // Holds for a text only: that is how JSON Schema reads a pattern where the type is open.
    pattern: `^(${presetNames.join('|')})$`,
    'x-kubernetes-preserve-unknown-fields': true,
  };
  return { ...spec, properties: { ...others, toolConfig: withoutRules(loose) } };
}

/** The API server runs no rules below a node without a type; leaving them there would promise something. */
function withoutRules(schema: StructuralSchema): StructuralSchema {
  const { 'x-kubernetes-validations': _, ...node } = schema;
  const { properties, items } = node;
  const members = Object.entries(properties ?? {}).map(([name, member]) => [name, withoutRules(member)] as const);
  return {
    ...node,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(members) }),
    ...(items === undefined ? {} : { items: withoutRules(items) }),
  };
}
