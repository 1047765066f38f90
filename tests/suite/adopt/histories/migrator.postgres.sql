CREATE SCHEMA migrator;
CREATE TABLE migrator.migrator_tenants (
  id serial primary key,
  name varchar(200) not null,
  created timestamp default now()
);
CREATE TABLE migrator.migrator_migrations (
  id serial primary key,
  name varchar(200) not null,
  source_dir varchar(200) not null,
  filename varchar(200) not null,
  type int not null,
  db_schema varchar(200) not null,
  created timestamp default now(),
  contents text,
  checksum varchar(64)
);
INSERT INTO migrator.migrator_tenants (name) VALUES ('abc'), ('def');
INSERT INTO migrator.migrator_migrations (name, source_dir, filename, type, db_schema, created, contents, checksum) VALUES
  ('202001010900_roles.sql', '/srv/shop/db/ref', '/srv/shop/db/ref/202001010900_roles.sql', 1, 'ref', '2020-01-01 09:00:00', '', 'e28e72b6edce5f8621e7a8bcb0c888db9fe64070481d4b197340ae95dab306cf'),
  ('202001011000_users.sql', '/srv/shop/db/tenants', '/srv/shop/db/tenants/202001011000_users.sql', 2, 'abc', '2020-01-01 10:00:00', '', '978ca5d09c1865de487a00bd28fef118c950649cf18ab08936c2f3eb9857f7c1'),
  ('202001011000_users.sql', '/srv/shop/db/tenants', '/srv/shop/db/tenants/202001011000_users.sql', 2, 'def', '2020-01-01 10:00:00', '', '978ca5d09c1865de487a00bd28fef118c950649cf18ab08936c2f3eb9857f7c1'),
  ('202001011100_first_user.sql', '/srv/shop/db/tenants', '/srv/shop/db/tenants/202001011100_first_user.sql', 2, 'abc', '2020-01-01 11:00:00', '', '22ed2619404c66995828c21d2216f51b32a9a2f5672aa412c8039d0ba7658436'),
  ('refresh.sql', '/srv/shop/db/scripts', '/srv/shop/db/scripts/refresh.sql', 3, 'scripts', '2020-01-01 12:00:00', '', '22ed2619404c66995828c21d2216f51b32a9a2f5672aa412c8039d0ba7658436');
