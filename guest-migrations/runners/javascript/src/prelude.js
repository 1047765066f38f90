// What scripts see: `import { info, progress, transform } from 'wasmigrate'`, the object `db`, and `console`.
const host = globalThis.__host;
delete globalThis.__host;

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

/** A function that makes objects of columns: written once for each result, so that all its rows have one shape. */
function maker(names) {
  const cells = names.map((name, place) => `${JSON.stringify(name)}: c${place}[i]`);
  const columns = names.map((_, place) => `c${place}`);
  return new Function(
    'count', 'columns',
    `const [${columns}] = columns; const rows = new Array(count);
     for (let i = 0; i < count; i++) rows[i] = { ${cells.join(', ').replaceAll('"__proto__":', '["__proto__"]:')} };
     return rows;`,
  );
}

/** Rows as arrays: an object's cells are taken by the columns' names. */
function arrays(rows, columns) {
  return Array.from(rows, (row) => (Array.isArray(row) ? row : columns.map((column) => row[column])));
}

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
    rows = Array.from(rows);
    return rows.length === 0 ? 0 : host.executeMany(String(statement), rows, rows[0].length);
  }

  /** Inserts rows as fast as the database can: arrays in the order of the columns, or objects. */
  load(table, columns, rows) {
    rows = arrays(rows, columns);
    return rows.length === 0 ? 0 : host.load(String(table), columns, rows);
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
    let result;
    try {
      result = act();
    } catch (thrown) {
      host.rollBack(number);
      throw thrown;
    }
    host.release(number);
    return result;
  }

  /** Commits what was done so far; after a crash `migrate` is called again with this position. Any value that JSON has. */
  checkpoint(position = null) {
    const kept = JSON.stringify(position);
    if (kept === undefined) throw new TypeError('a position is a value that JSON has');
    host.checkpoint(kept);
  }
}

Object.defineProperty(globalThis, '__db', { value: new Database() });

const list = (value, name) => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`\`${name}\` is an array of columns`);
  return value.map(String);
};

/** Makes a transformation: a pure function from old columns of a table to new ones. */
export function transform(description) {
  const { summary = '', table, key, inputs, derives, drops, where, row, ...others } = description;
  const unknown = Object.keys(others);
  if (unknown.length > 0) throw new TypeError(`a transformation has no \`${unknown[0]}\``);
  if (typeof table !== 'string') throw new TypeError('a transformation names its `table`');
  if (typeof row !== 'function') throw new TypeError('a transformation has a function `row`');
  if (typeof derives !== 'object' || derives === null) throw new TypeError('a transformation says what it `derives`');
  const derived = Object.entries(derives).map(([name, column]) =>
    typeof column === 'string' ? { name, type: column } : { name, type: String(column.type), replaces: column.replaces });
  const names = derived.map((column) => column.name);
  const asInputs = list(inputs, 'inputs');
  const make = maker(asInputs);
  return {
    isTransformation: true,
    summary: String(summary),
    table,
    key: list(key, 'key'),
    inputs: asInputs,
    derived,
    drops: list(drops, 'drops'),
    where,
    width: names.length,
    run(count, columns) {
      const made = new Array(count);
      const rejected = [];
      const rows = make(count, columns);
      for (let i = 0; i < count; i++) {
        try {
          const answer = row(rows[i]);
          if (typeof answer !== 'object' || answer === null) throw new TypeError('`row` returns an object with the derived columns');
          made[i] = names.map((name) => answer[name]);
        } catch (thrown) {
          rejected.push([i, thrown]);
        }
      }
      return [made, rejected];
    },
  };
}
