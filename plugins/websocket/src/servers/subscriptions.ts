// What an old-era server was asked for that lasts: resources to be told of, and the level of its log. Kept to be asked for again.
import type { JsonObject, ServerConversation, UpstreamCall } from 'plugboard';

/** ms that the server has to answer when it is asked again; then what may have been missed is announced in any case. */
const patience = 30_000;

export class Subscriptions {
  readonly #uris = new Set<string>();
  #level: unknown;

  /** Takes note of a call that is about to be sent. */
  note(call: UpstreamCall): void {
    const uri = call.params?.['uri'];
    if (call.method === 'logging/setLevel') this.#level = call.params?.['level'];
    else if (call.method === 'resources/unsubscribe' && typeof uri === 'string') this.#uris.delete(uri);
    else if (call.method === 'resources/subscribe' && typeof uri === 'string') {
      this.#uris.add(uri);
      call.answer.then(
        (answer) => answer.failed && this.#uris.delete(uri),
        () => {},
      );
    }
  }

  /** Asks for all of it on a new channel; resolves with the resources when the server has been told. */
  async repeat(conversation: ServerConversation): Promise<readonly string[]> {
    const ask = (method: string, params: JsonObject) => conversation.ask(method, params).catch(() => undefined);
    const asked = [...this.#uris].map((uri) => ask('resources/subscribe', { uri }));
    if (this.#level !== undefined) asked.push(ask('logging/setLevel', { level: this.#level }));
    const giveUp = new Promise((resolve) => setTimeout(resolve, patience).unref());
    await Promise.race([Promise.all(asked), giveUp]);
    return [...this.#uris];
  }
}
