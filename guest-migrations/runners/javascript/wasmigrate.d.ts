/** What steps of wasmigrate in JavaScript may call. Editors read it; nothing runs it. */
declare module 'wasmigrate' {
  /**
   * A value that the database takes: a whole number is an integer, `undefined` is NULL. Decimals, timestamps, UUIDs and JSON go as
   * text.
   */
  export type Value = undefined | null | boolean | number | bigint | string | Uint8Array;

  /** A row by the names of its columns. Whole numbers beyond 2^53 come as bigint. */
  export type Row = { [column: string]: any };

  /** What a script is handed: the transaction of its step. */
  export interface Database {
    readonly kind: 'sqlite' | 'postgres' | string;
    readonly version: string;
    /** Runs one statement, with parameters `$1`, `$2` …; returns how many rows it changed. */
    execute(sql: string, parameters?: Value[]): number;
    /** Runs one statement once for each row of parameters; returns how many rows were changed in all. */
    executeMany(sql: string, rows: Iterable<Value[]>): number;
    /** Inserts rows, the fast way. */
    load(table: string, columns: string[], rows: Iterable<Value[] | Row>): number;
    /** A small result. */
    query(sql: string, parameters?: Value[]): Row[];
    /** The only value of the only row; `undefined` without a row. */
    value(sql: string, parameters?: Value[]): any;
    /** A result of any size, in arrays of at most `size` rows, 1,000 by default. */
    batches(sql: string, parameters?: Value[], size?: number): Generator<Row[], void>;
    /** A result of any size, one row after the other. */
    rows(sql: string, parameters?: Value[]): Generator<Row, void>;
    /** What throws inside is undone, and only that. */
    savepoint<T>(act: () => T): T;
    /** Commits what was done so far; after a crash `migrate` is called with this position (JSON, or a bigint) as `resume`. */
    checkpoint(position?: unknown): void;
  }

  /** What the database said, thrown. */
  export interface DatabaseError extends Error {
    readonly name: 'DatabaseError';
    readonly kind:
      | 'constraint-violated' | 'syntax' | 'busy' | 'limit-exceeded' | 'cancelled' | 'not-permitted' | 'invalid-argument' | 'other';
    readonly code?: string;
    readonly detail?: string;
    readonly hint?: string;
    readonly table?: string;
    readonly column?: string;
    readonly constraint?: string;
  }

  /** Output of the step, at one of its levels; `console.log`, `console.warn` and `console.error` do the same. */
  export function debug(...values: unknown[]): void;
  export function info(...values: unknown[]): void;
  export function warning(...values: unknown[]): void;
  export function error(...values: unknown[]): void;

  /** How far the step is, in rows or whatever it counts. */
  export function progress(done: number, total?: number): void;

  /** One of the operator's `[settings]`. */
  export function setting(name: string): string | undefined;
  /** All of them. */
  export function setting(): { [name: string]: string };

  /** A derived column: its type, and the old column whose place it takes. */
  export type Derived = string | { type: string; replaces?: string };

  export interface Transformation {
    summary?: string;
    table: string;
    /** The columns that name a row; the primary key by default. */
    key?: string[];
    /** The columns that `row` is given. */
    inputs: string[];
    /** The columns that `row` returns, such as `{ family_name: 'TEXT NOT NULL' }`. */
    derives: { [column: string]: Derived };
    /** Old columns that finalize drops. */
    drops?: string[];
    /** A condition in SQL for the rows that are concerned. */
    where?: string;
    /** The derived columns of one row. A row for which it throws is rejected with that message. */
    row(inputs: Row): { [column: string]: Value };
  }

  /** Makes a transformation: the default export of a script. */
  export function transform(description: Transformation): unknown;
}

// In the form in which browsers' and Node's types have them, so that an editor may know both.

/** Output of the step. */
interface Console {
  log(...values: any[]): void;
  info(...values: any[]): void;
  debug(...values: any[]): void;
  trace(...values: any[]): void;
  warn(...values: any[]): void;
  error(...values: any[]): void;
}
declare var console: Console;

interface TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
}
declare var TextEncoder: {
  prototype: TextEncoder;
  new (): TextEncoder;
};

interface TextDecoderOptions {
  /** Throws where bytes are not UTF-8. */
  fatal?: boolean;
}
interface TextDecoder {
  readonly encoding: string;
  decode(bytes?: ArrayBuffer | ArrayBufferView): string;
}
declare var TextDecoder: {
  prototype: TextDecoder;
  new (encoding?: string, options?: TextDecoderOptions): TextDecoder;
};
