// What came of a call of a tool, for the test to look at.
import type { JsonObject, RpcResponse } from 'plugboard';

export interface Outcome {
  /** Of the first block of content. */
  readonly text: string;
  readonly isError: boolean;
  readonly structured: JsonObject;
}

/** The result of a call. Throws when it has none. */
export function outcomeOf(response: RpcResponse): Outcome {
  const { result, error } = response;
  if (result === undefined) throw new Error(`${error?.code}: ${error?.message}`);
  const [block] = (result['content'] ?? []) as { text?: string }[];
  return {
    text: block?.text ?? '',
    isError: result['isError'] === true,
    structured: (result['structuredContent'] ?? {}) as JsonObject,
  };
}

/** The structured result of a call that must have succeeded. */
export function structured<Shape = JsonObject>(response: RpcResponse): Shape {
  if (response.result === undefined || response.result['isError'] === true)
    throw new Error(`the call failed: ${JSON.stringify(response).slice(0, 2000)}`);
  return response.result['structuredContent'] as Shape;
}

/** The text of a call that must have failed. */
export function errorText(response: RpcResponse): string {
  const content = response.result?.['content'] as { text: string }[] | undefined;
  if (response.result?.['isError'] !== true || content?.[0] === undefined)
    throw new Error(`the call did not fail: ${JSON.stringify(response).slice(0, 2000)}`);
  return content[0].text;
}
