// What the stand-in for the Messages API takes from an agent and gives to it. Types only; members that nobody here reads are left out.
import type { JsonObject } from 'plugboard';

/** A part of the model's answer. An answer with a `tool_use` makes the agent call the tool and ask again. */
export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly name: string; readonly input: JsonObject; readonly id?: string };

/** The body of `POST /v1/messages`, as far as it is read. */
export interface MessagesRequest extends JsonObject {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string | readonly JsonObject[] }[];
  readonly tools?: readonly (JsonObject & { readonly name: string })[];
  readonly stream?: boolean;
}

/** What a tool gave, as the agent tells its model. */
export interface ToolResult {
  /** The `tool_use` that it answers. */
  readonly id: string;
  /** Its texts, one below the other. */
  readonly text: string;
  readonly isError: boolean;
}

/** A request of the agent. */
export interface RecordedRequest {
  /** Position among the requests that the script answers, from 0. */
  readonly index: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: MessagesRequest;
  /** Names of the tools that it offers, in its order. */
  readonly toolNames: readonly string[];
  /** Results of tools since the model's last answer. */
  readonly toolResults: readonly ToolResult[];
}

/** Plays the model: the answer to a request. A text alone ends the turn. What it throws becomes an error that agents do not retry. */
export type Script = (
  request: RecordedRequest,
  index: number,
) => string | readonly Block[] | Promise<string | readonly Block[]>;

export interface MessagesApiOptions {
  readonly script: Script;
  /**
   * True for a request that is not part of the agent's work, such as one for a title: it is answered with a plain text and the script does
   * not see it. Default: a request without any tools from Claude Code.
   */
  readonly isAside?: (body: MessagesRequest, headers: RecordedRequest['headers']) => boolean;
}

export interface MessagesApi {
  /** For `ANTHROPIC_BASE_URL`: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Requests that the script answers or has answered, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Requests beside the agent's work. */
  readonly asides: readonly MessagesRequest[];
  /** `METHOD PATH` of whatever else was asked for; answered with 404. */
  readonly unknown: readonly string[];
  /** What the script has thrown. */
  readonly failures: readonly unknown[];
  /** Ends all connections. */
  close(): Promise<void>;
}
