INSERT INTO {schema}.users VALUES (1);
