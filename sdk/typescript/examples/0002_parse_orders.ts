import { info, progress, type Database } from 'wasmigrate';

export const summary = 'parses order lines into purchases';

export function count(db: Database): number {
  return db.value('SELECT count(*) FROM order_line');
}

export function migrate(db: Database, resume?: string): void {
  if (resume === undefined) {
    parse(db);
    db.checkpoint('parsed');
  }
  const customers = db.execute(
    'INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer');
  info(customers, 'customers');
}

export function finalize(db: Database): void {
  db.execute('DROP TABLE order_line');
}

export function reset(db: Database): void {
  for (const table of ['customer_total', 'bad_line', 'purchase']) db.execute(`DROP TABLE IF EXISTS ${table}`);
}

function parse(db: Database): void {
  db.execute('CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, quantity BIGINT NOT NULL, cents BIGINT NOT NULL)');
  db.execute('CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)');
  db.execute('CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)');
  let [done, good, bad] = [0, 0, 0];
  for (const rows of db.batches('SELECT id, line FROM order_line ORDER BY id')) {
    const purchases: (string | number)[][] = [];
    const badLines: (string | number)[][] = [];
    for (const { id, line } of rows) {
      try {
        purchases.push([id, ...parseLine(line)]);
      } catch (reason) {
        badLines.push([id, (reason as Error).message]);
      }
    }
    good += db.load('purchase', ['id', 'customer', 'item', 'quantity', 'cents'], purchases);
    bad += db.executeMany('INSERT INTO bad_line (id, reason) VALUES ($1, $2)', badLines);
    progress((done += rows.length));
  }
  console.log(`${good} purchases, ${bad} bad lines`);
}

function parseLine(line: string): [string, string, number, number] {
  const parts = line.split('|');
  if (parts.length !== 3) fail('not three parts');
  const [, quantityText, item] = /^([0-9]+)\s*x(.*)$/s.exec(parts[1].trim()) ?? fail('no quantity');
  const price = parts[2].trim();
  if (!price.endsWith('EUR')) fail('no currency');
  const [, whole, cents = '00'] = /^([0-9][0-9.]*)(?:,([0-9]{2}))?$/.exec(price.slice(0, -3).trim()) ?? fail('no price');
  const customer = parts[0].split(/\s+/).filter(Boolean).join(' ');
  const quantity = Number(quantityText);
  if (!customer || !item.trim() || quantity <= 0) fail('something is empty');
  return [customer, item.trim(), quantity, Number(whole.replaceAll('.', '') + cents)];
}

function fail(reason: string): never {
  throw new Error(reason);
}
