// Reading `text/event-stream` as it arrives (HTML, server-sent events): chunks in, the data of whole events out.

/** Collects chunks and gives the data of each event that is complete. */
export class EventStreamReader {
  #rest = '';
  #data: string[] = [];

  /** The data of the events that this chunk completes. */
  read(chunk: string): string[] {
    const events: string[] = [];
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines.map((each) => each.replace(/\r$/, ''))) {
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'));
        this.#data = [];
      } else if (line.startsWith('data:')) this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
    return events;
  }
}
