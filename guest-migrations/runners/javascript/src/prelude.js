// What scripts see: `import { info, progress, transform } from 'wasmigrate'`, the object `db`, and `console`.
const host = globalThis.__host;
delete globalThis.__host;

// The run has recorded its seed: who is run again finds the same.
Object.defineProperty(Math, 'random', { value: host.random, writable: true, configurable: true });

const text = (value) =>
  typeof value === 'string' ? value
  : value instanceof Error ? `${value.name}: ${value.message}`
  : typeof value === 'object' && value !== null ? json(value)
  : typeof value === 'bigint' ? `${value}n`
  : String(value);

function json(value) {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  } catch {
    return String(value);
  }
}

const line = (level) => (...values) => host.output(level, values.map(text).join(' '));

export const debug = line('debug');
export const info = line('info');
export const warning = line('warning');
export const error = line('error');

/** Says how far the step is, in rows or whatever it counts. */
export function progress(done, total) {
  host.progress(Number(done), total === undefined || total === null ? undefined : Number(total));
}

/** The operator's `[settings]`: one by its name, or all of them. */
export function setting(name) {
  return name === undefined ? host.settings() : host.setting(String(name));
}

globalThis.console = { log: info, info, debug, warn: warning, error, trace: debug };

globalThis.TextEncoder = class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    return host.encode(String(text).toWellFormed());
  }
};

globalThis.TextDecoder = class TextDecoder {
  #fatal;

  constructor(encoding = 'utf-8', { fatal = false } = {}) {
    if (!/^utf-?8$/i.test(encoding)) throw new RangeError(`only UTF-8 is known, not ${encoding}`);
    this.#fatal = Boolean(fatal);
  }

  get encoding() {
    return 'utf-8';
  }

  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
    return host.decode(view, this.#fatal);
  }
};

const MakeFunction = Function;
const cell = (name, value) => (name === '__proto__' ? `["__proto__"]: ${value}` : `${JSON.stringify(name)}: ${value}`);
const places = (names, letter) => names.map((_, place) => letter + place).join(', ');
const rowOf = (names) => `{ ${names.map((name, place) => cell(name, `c${place}[i]`)).join(', ')} }`;

/** A function that makes objects of columns: written once for each result, so that all its rows have one shape. */
function maker(names) {
  return new MakeFunction(
    'count', 'columns',
    `const [${places(names, 'c')}] = columns; const rows = new Array(count);
     for (let i = 0; i < count; i++) rows[i] = ${rowOf(names)};
     return rows;`,
  );
}

const asArray = (rows) => (Array.isArray(rows) ? rows : Array.from(rows));

const given = (parameters) => {
  if (parameters === undefined || parameters === null) return [];
  if (!Array.isArray(parameters)) throw new TypeError('parameters are an array, such as [id, name]');
  return parameters;
};

class Database {
  #product;

  /** `sqlite`, `postgres`, or the name of another database. */
  get kind() {
    return (this.#product ??= host.server()).kind;
  }

  /** The database's version. */
  get version() {
    return (this.#product ??= host.server()).version;
  }

  /** Runs one statement and returns how many rows it changed. */
  execute(statement, parameters) {
    return host.execute(String(statement), given(parameters));
  }

  /** Runs one statement once for each row, whose values are its parameters, and returns how many rows were changed in all. */
  executeMany(statement, rows) {
    rows = asArray(rows);
    if (rows.length === 0) return 0;
    if (!Array.isArray(rows[0])) throw new TypeError('each row is an array of parameters');
    return host.executeMany(String(statement), rows, rows[0].length);
  }

  /** Inserts rows as fast as the database can: arrays in the order of the columns, or objects. */
  load(table, columns, rows) {
    rows = asArray(rows);
    return rows.length === 0 ? 0 : host.load(String(table), list(columns, 'columns'), rows);
  }

  /** All rows of a small result, as objects. */
  query(statement, parameters) {
    const [names, columns, count] = host.query(String(statement), given(parameters));
    return maker(names)(count, columns);
  }

  /** The only value of the only row; `undefined` where there is no row. */
  value(statement, parameters) {
    const [names, columns, count] = host.query(String(statement), given(parameters));
    if (count > 1 || names.length !== 1) {
      throw new TypeError(`one value was asked for, but there are ${count} rows with ${names.length} columns`);
    }
    return count === 0 ? undefined : columns[0][0];
  }

  /** The rows of a result of any size, in arrays of at most `size` objects. */
  *batches(statement, parameters, size = 1000) {
    const [number, names] = host.open(String(statement), given(parameters));
    try {
      const make = maker(names);
      for (;;) {
        const [count, columns] = host.next(number, size);
        if (count === 0) return;
        yield make(count, columns);
      }
    } finally {
      host.close(number);
    }
  }

  /** The rows of a result of any size, one after the other. */
  *rows(statement, parameters) {
    for (const batch of this.batches(statement, parameters)) yield* batch;
  }

  /** Does something that is undone, and only that, when it throws. */
  savepoint(act) {
    const number = host.savepoint();
    const undo = (thrown) => {
      host.rollBack(number);
      throw thrown;
    };
    const keep = (result) => {
      host.release(number);
      return result;
    };
    let result;
    try {
      result = act();
    } catch (thrown) {
      undo(thrown);
    }
    return result instanceof Promise ? result.then(keep, undo) : keep(result);
  }

  /** Commits what was done so far; after a crash `migrate` is called again with this position. Any value that JSON has, or a BigInt. */
  checkpoint(position = null) {
    const kept = stringify(position, (_, value) => (typeof value === 'bigint' ? { [BIG]: `${value}` } : value));
    if (kept === undefined) throw new TypeError('a position is a value that JSON has, or a BigInt');
    host.checkpoint(kept);
  }
}

/** Under this name a BigInt stands in a position: the keys of rows are some, from 2^53 on. */
const BIG = '$bigint';
const { parse, stringify } = JSON;

/** The position that a text of `checkpoint` means. */
host.resumed = (kept) => parse(kept, (_, value) => (typeof value?.[BIG] === 'string' ? BigInt(value[BIG]) : value));

host.db = new Database();

const list = (value, name) => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`\`${name}\` is an array of columns`);
  return value.map(String);
};

const optional = (value, name) => {
  if (value !== undefined && typeof value !== 'string') throw new TypeError(`\`${name}\` is a text`);
  return value;
};

const derivedColumn = ([name, column]) => {
  const { type, replaces, ...others } = typeof column === 'string' ? { type: column } : (column ?? {});
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`the derived column \`${name}\` has no \`${unknown}\``);
  if (typeof type !== 'string' || type.trim() === '') {
    throw new TypeError(`the derived column \`${name}\` has no type: write \`${name}: 'TEXT'\`, or \`{ type, replaces }\``);
  }
  return { name, type, replaces: optional(replaces, 'replaces') };
};

/** What `transform` has made; nothing else is a transformation. */
const transformations = new WeakSet();
host.isTransformation = (value) => transformations.has(value);

/** Makes a transformation: a pure function from old columns of a table to new ones. */
export function transform(description) {
  const { summary, table, key, inputs, derives, drops, where, row, ...others } = description ?? {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`a transformation has no \`${unknown}\``);
  if (typeof table !== 'string') throw new TypeError('a transformation names its `table`');
  if (typeof row !== 'function') throw new TypeError('a transformation has a function `row`');
  if (typeof derives !== 'object' || derives === null || Array.isArray(derives)) {
    throw new TypeError('a transformation says what it `derives`');
  }
  const derived = Object.entries(derives).map(derivedColumn);
  const names = derived.map((column) => column.name);
  const made = {
    summary: optional(summary, 'summary') ?? '',
    table,
    key: list(key, 'key'),
    inputs: list(inputs, 'inputs'),
    derived,
    names,
    drops: list(drops, 'drops'),
    where: optional(where, 'where'),
  };
  made.run = applying(made.inputs, names, row);
  transformations.add(made);
  return made;
}

/** A function that applies `row` to each row of a batch, column by column, and keeps what it throws. */
function applying(inputs, names, row) {
  return new MakeFunction(
    'row', 'missing',
    `return (count, columns) => {
       const [${places(inputs, 'c')}] = columns;
       ${names.map((_, place) => `const d${place} = new Array(count);`).join(' ')}
       const rejected = [];
       for (let i = 0; i < count; i++) {
         try {
           const made = row(${rowOf(inputs)});
           if (typeof made !== 'object' || made === null) throw new TypeError('\`row\` returns an object with the derived columns');
           ${names.map((name, place) => `if ((d${place}[i] = made[${JSON.stringify(name)}]) === undefined) missing(made, ${place});`).join(' ')}
         } catch (thrown) {
           ${names.map((_, place) => `d${place}[i] = null;`).join(' ')}
           rejected.push([i, thrown]);
         }
       }
       return [[${places(names, 'd')}], rejected];
     };`,
  )(row, (made, place) => {
    if (!(names[place] in made)) throw new TypeError(`\`row\` returns an object without \`${names[place]}\`: null is what is empty`);
  });
}
