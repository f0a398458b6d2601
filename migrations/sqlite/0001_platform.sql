-- The platform's nouns. Ids are UUIDs as text, times are microseconds since
-- 1970 (UTC), states are the names that the API shows.

CREATE TABLE master_keys (
    id TEXT NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT,
    -- argon2id in PHC form; NULL: no login by password
    password_hash TEXT,
    is_operator INTEGER NOT NULL CHECK (is_operator IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- SHA-256 of the key
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    description TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_account ON api_keys (account);

CREATE TABLE account_features (
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    enabled_at INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT;

CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (
        length(name) BETWEEN 3 AND 30
        AND name GLOB '[a-z]*'
        AND name NOT GLOB '*[^a-z0-9-]*'
        AND name NOT GLOB '*-'
    ),
    owner TEXT NOT NULL REFERENCES accounts (id),
    build_stack TEXT NOT NULL,
    stack TEXT NOT NULL,
    maintenance INTEGER NOT NULL DEFAULT 0 CHECK (maintenance IN (0, 1)),
    slug_size_bytes INTEGER,
    repo_size_bytes INTEGER,
    buildpack_provided_description TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    released_at INTEGER
) STRICT;
CREATE INDEX apps_owner ON apps (owner);

CREATE TABLE domains (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    hostname TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX domains_app ON domains (app);

CREATE TABLE collaborators (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app, account)
) STRICT;
CREATE INDEX collaborators_account ON collaborators (account);

CREATE TABLE drains (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app, url)
) STRICT;

CREATE TABLE app_features (
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    enabled_at INTEGER NOT NULL,
    PRIMARY KEY (app, name)
) STRICT;

CREATE TABLE app_buildpacks (
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    buildpack TEXT NOT NULL,
    PRIMARY KEY (app, position)
) STRICT;

CREATE TABLE slugs (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    -- the digest of the OCI image's manifest
    image TEXT NOT NULL,
    -- a JSON object, type to command
    process_types TEXT NOT NULL,
    source_commit TEXT,
    commit_description TEXT,
    buildpack_provided_description TEXT,
    stack TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX slugs_app ON slugs (app);

CREATE TABLE releases (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version > 0),
    slug TEXT REFERENCES slugs (id),
    created_by TEXT NOT NULL REFERENCES accounts (id),
    description TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    has_phase INTEGER NOT NULL CHECK (has_phase IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app, version),
    CHECK (is_current = 0 OR state = 'succeeded')
) STRICT;
CREATE UNIQUE INDEX releases_current ON releases (app) WHERE is_current;
CREATE INDEX releases_pending ON releases (state) WHERE state = 'pending';
CREATE INDEX releases_slug ON releases (slug);
CREATE INDEX releases_created_by ON releases (created_by);

-- Config vars, sealed: see the store's `config` module for the form.
CREATE TABLE release_configs (
    release TEXT NOT NULL PRIMARY KEY REFERENCES releases (id) ON DELETE CASCADE,
    master_key TEXT NOT NULL REFERENCES master_keys (id),
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX release_configs_master_key ON release_configs (master_key);

CREATE TABLE builds (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    created_by TEXT NOT NULL REFERENCES accounts (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    stack TEXT NOT NULL,
    -- a JSON array of texts
    buildpacks TEXT NOT NULL,
    source_version TEXT,
    source_description TEXT,
    slug TEXT REFERENCES slugs (id),
    release TEXT REFERENCES releases (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX builds_app ON builds (app);
CREATE INDEX builds_pending ON builds (state) WHERE state = 'pending';
CREATE INDEX builds_slug ON builds (slug);
CREATE INDEX builds_release ON builds (release);
CREATE INDEX builds_created_by ON builds (created_by);

CREATE TABLE formation (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    command TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 100),
    size TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app, process_type)
) STRICT;

CREATE TABLE dynos (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    number INTEGER NOT NULL,
    command TEXT NOT NULL,
    release TEXT NOT NULL REFERENCES releases (id),
    release_version INTEGER NOT NULL,
    size TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('starting', 'up', 'stopping', 'crashed', 'down')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dynos_app ON dynos (app);
CREATE INDEX dynos_release ON dynos (release);

-- Tarballs on their way to a build, found by the SHA-256 of their secret.
CREATE TABLE sources (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sources_created_at ON sources (created_at);

-- The journal: workflows that have begun and not ended.
CREATE TABLE workflows (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    steps_ended INTEGER NOT NULL CHECK (steps_ended >= 0),
    -- JSON
    context TEXT NOT NULL
) STRICT;
