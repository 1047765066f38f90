-- The tables that the registry's records and the territories' documents are taken apart into.
--
-- References are checked at the end of a step, because children are loaded in portions that may come before their parents'.

-- wasmigrate:migrate

CREATE TABLE registry_release (
    file_date TEXT NOT NULL PRIMARY KEY
);

CREATE TABLE subtag (
    id BIGINT PRIMARY KEY,
    -- The record it was read from. A range such as qaa..qtz is one record and many subtags.
    record_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (
        kind IN ('language', 'extlang', 'script', 'region', 'variant', 'grandfathered', 'redundant')
    ),
    code TEXT NOT NULL,
    added TEXT NOT NULL CHECK (added ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    deprecated TEXT,
    preferred_value TEXT,
    suppress_script TEXT,
    macrolanguage TEXT,
    scope TEXT,
    comments TEXT,
    CONSTRAINT subtag_is_unique UNIQUE (kind, code)
);

CREATE TABLE subtag_description (
    subtag_id BIGINT NOT NULL REFERENCES subtag (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    position BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (subtag_id, position)
);

CREATE TABLE subtag_prefix (
    subtag_id BIGINT NOT NULL REFERENCES subtag (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    position BIGINT NOT NULL,
    prefix TEXT NOT NULL,
    PRIMARY KEY (subtag_id, position)
);

CREATE TABLE territory (
    code TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    population BIGINT NOT NULL CHECK (population >= 0),
    gross_domestic_product BIGINT NOT NULL CHECK (gross_domestic_product >= 0),
    literacy_percent DOUBLE PRECISION NOT NULL CHECK (literacy_percent BETWEEN 0 AND 100)
);

CREATE TABLE territory_language (
    territory TEXT NOT NULL REFERENCES territory (code) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    -- Language and script as one tag, such as kk-Arab.
    tag TEXT NOT NULL,
    language TEXT NOT NULL,
    script TEXT,
    population_percent DOUBLE PRECISION NOT NULL CHECK (population_percent BETWEEN 0 AND 100),
    writing_percent DOUBLE PRECISION,
    literacy_percent DOUBLE PRECISION,
    status TEXT CHECK (status IN ('official', 'official_regional', 'de_facto_official')),
    PRIMARY KEY (territory, tag)
);

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
