-- The tables that the registry's records and the territories' documents are taken apart into.

-- wasmigrate:migrate

CREATE TABLE registry_release (
    file_date TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE subtag (
    id INTEGER PRIMARY KEY,
    -- The record it was read from. A range such as qaa..qtz is one record and many subtags.
    record_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (
        kind IN ('language', 'extlang', 'script', 'region', 'variant', 'grandfathered', 'redundant')
    ),
    code TEXT NOT NULL,
    added TEXT NOT NULL CHECK (added GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    deprecated TEXT,
    preferred_value TEXT,
    suppress_script TEXT,
    macrolanguage TEXT,
    scope TEXT,
    comments TEXT,
    CONSTRAINT subtag_is_unique UNIQUE (kind, code)
);

CREATE TABLE subtag_description (
    subtag_id INTEGER NOT NULL REFERENCES subtag (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (subtag_id, position)
) WITHOUT ROWID;

CREATE TABLE subtag_prefix (
    subtag_id INTEGER NOT NULL REFERENCES subtag (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    PRIMARY KEY (subtag_id, position)
) WITHOUT ROWID;

CREATE TABLE territory (
    code TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    population INTEGER NOT NULL CHECK (population >= 0),
    gross_domestic_product INTEGER NOT NULL CHECK (gross_domestic_product >= 0),
    literacy_percent REAL NOT NULL CHECK (literacy_percent BETWEEN 0 AND 100)
) WITHOUT ROWID;

CREATE TABLE territory_language (
    territory TEXT NOT NULL REFERENCES territory (code) ON DELETE CASCADE,
    -- Language and script as one tag, such as kk-Arab.
    tag TEXT NOT NULL,
    language TEXT NOT NULL,
    script TEXT,
    population_percent REAL NOT NULL CHECK (population_percent BETWEEN 0 AND 100),
    writing_percent REAL,
    literacy_percent REAL,
    status TEXT CHECK (status IN ('official', 'official_regional', 'de_facto_official')),
    PRIMARY KEY (territory, tag)
) WITHOUT ROWID;

CREATE INDEX territory_language_by_language ON territory_language (language);

-- wasmigrate:finalize

CREATE VIEW official_language AS
SELECT territory.code AS territory, territory.name AS territory_name, tag, status
FROM territory_language JOIN territory ON territory.code = territory_language.territory
WHERE status IS NOT NULL;

-- wasmigrate:reset

DROP TABLE territory_language;
DROP TABLE territory;
DROP TABLE subtag_prefix;
DROP TABLE subtag_description;
DROP TABLE subtag;
DROP TABLE registry_release;
