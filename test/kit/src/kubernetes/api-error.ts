// Errors of the test API server, as Kubernetes writes them. Who throws which is elsewhere.

/** Reasons and the HTTP status that goes with them. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  UnsupportedMediaType: 415,
  Invalid: 422,
  InternalError: 500,
} as const;

/** One field that is wrong. */
export interface Cause {
  readonly field: string;
  readonly message: string;
}

/** What an error is about, for clients that make a sentence of it. */
export interface Subject {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
}

/** Becomes an object of kind Status. */
export class ApiError extends Error {
  readonly reason: keyof typeof codes;
  readonly causes: readonly Cause[];
  readonly subject: Subject | undefined;

  constructor(reason: keyof typeof codes, message: string, causes: readonly Cause[] = [], subject?: Subject) {
    super(message);
    this.reason = reason;
    this.causes = causes;
    this.subject = subject;
  }

  get code(): number {
    return codes[this.reason];
  }

  /** The body of the answer. */
  toStatus(): object {
    const causes = this.causes.map(({ field, message }) => ({ reason: 'FieldValueInvalid', field, message }));
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      details: { ...this.subject, causes },
      code: this.code,
    };
  }
}
