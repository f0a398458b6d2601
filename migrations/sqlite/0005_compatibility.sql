-- What clients of Heroku's API expect beyond the first path.

CREATE TABLE ssh_keys (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- as in an authorized_keys file: type, base64, comment
    public_key TEXT NOT NULL,
    -- SHA256:<base64>, as ssh-keygen shows it
    fingerprint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (account, fingerprint)
) STRICT;

-- A key that a login gave: `logout` ends it. What had an end came from a login.
ALTER TABLE api_keys ADD COLUMN is_session INTEGER NOT NULL DEFAULT 0 CHECK (is_session IN (0, 1));
UPDATE api_keys SET is_session = 1 WHERE expires_at IS NOT NULL;

-- The password was made by the platform; its holder chooses his own.
ALTER TABLE accounts ADD COLUMN has_one_time_password INTEGER NOT NULL DEFAULT 0
    CHECK (has_one_time_password IN (0, 1));
-- The row stays, without what was personal, for what the account did.
ALTER TABLE accounts ADD COLUMN deleted_at INTEGER;

-- What the client called the source of a build by the API.
ALTER TABLE builds ADD COLUMN source_url TEXT;
ALTER TABLE builds ADD COLUMN source_checksum TEXT;

-- Slugs by the API whose content has yet to come.
CREATE TABLE slug_uploads (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    -- a JSON object, type to command
    process_types TEXT NOT NULL,
    source_commit TEXT,
    commit_description TEXT,
    buildpack_provided_description TEXT,
    checksum TEXT,
    stack TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX slug_uploads_app ON slug_uploads (app);
