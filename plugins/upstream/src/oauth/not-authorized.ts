// Why nobody is let in at a server, as an error with a sentence for people. How it came to that is decided elsewhere.

/** A request could not be authorized. The message says who, where and what to do now; it holds no credentials. */
export class NotAuthorized extends Error {}
