// What the contract of plugins asks, rule by rule, and what is found wrong. How it is found out lives in a file of its own for each.

/** The rules, each with what it says. */
export const pluginRules = {
  manifest: 'package.json says what the plugin says, and links back to Plugboard',
  readme: 'the README has a table of exactly the options that there are',
  entry: 'its entry for the index fits',
  pack: 'it packs its types and no tests',
  options: 'it starts with its options; an option that it does not have is refused by name',
  capabilities: 'it declares the capabilities that it uses, and no others',
  tools: 'its tools have legal names, titles, descriptions, annotations and valid schemas',
  inputs: 'its hooks change nothing of what they are handed',
  leavings: 'applied and stopped twice, it leaves no handle and no listener',
  silence: 'after its stop none of its hooks is called, and it uses nothing',
} as const;

export type PluginRule = keyof typeof pluginRules;

/** Something that breaks a rule. */
export interface Finding {
  readonly rule: PluginRule;
  /** What is wrong, where, and what to do. */
  readonly text: string;
}

/** Findings of one rule. */
export function findingsOf(rule: PluginRule, texts: Iterable<string>): Finding[] {
  return [...texts].map((text) => ({ rule, text }));
}
