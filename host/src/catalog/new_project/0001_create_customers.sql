-- An example: change it, or begin with a step of your own.

-- wasmigrate:migrate
-- What the running application tolerates.
CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

-- wasmigrate:finalize
-- What it does not tolerate: this runs when the step is made final.

-- wasmigrate:reset
-- What undoes the first section, as long as the step is not final.
DROP TABLE customer;
