-- When a slug's image was given up to make room. Its row stays, for the
-- releases that had it; they can't be gone back to any more.
ALTER TABLE slugs ADD COLUMN collected_at INTEGER;
