// The installed modules of an earlier build. If nothing that an installation
// depends on has changed, they take its place.
//
// Kept are the tree as the installation left it (`full`) and, if the build
// changed nothing in it, the tree without devDependencies (`slim`). Both are
// hard links into one set of files as long as builds leave the files alone;
// for an app whose build writes into them (as Prisma does) they are copied.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { find, run } = require('./command.js');
const { fingerprint, signature } = require('./fingerprint.js');

// Scratch of bundlers: what they leave there is no change of the modules.
const SCRATCH = ['.cache', '.vite', '.vite-temp'];

class Modules {
    constructor(build) {
        this.build = build;
        this.folder = path.join(build.cache, 'modules');
        this.file = path.join(this.folder, 'kept.json');
        this.before = fs.existsSync(this.file) ? JSON.parse(fs.readFileSync(this.file, 'utf8')) : {};
        this.allowed = build.env.get('NODE_MODULES_CACHE') !== 'false';
        // With modules checked in, an installation starts from them.
        const key = this.allowed && !this.trees().length ? fingerprint(build) : undefined;
        /** What is kept, as it is written down; without a key it is not used as it is. */
        this.now = { signature: signature(build), key, copied: this.before.copied === true };
    }

    /** What an installation has made: each outermost node_modules, and what Plug'n'Play needs. */
    trees() {
        const { app, manager, directories } = this.build;
        const all = find(app.folder, ['-name', 'node_modules', '-prune']);
        const more = (manager.alsoInstalls?.(app) ?? []).filter((name) => app.has(name));
        // What the app keeps by cacheDirectories is no matter of ours; unplugged packages have modules of their own.
        const isOurs = (tree) => !directories.names.includes(tree) && !tree.startsWith('.yarn/');
        return [...all.filter(isOurs), ...more];
    }

    /** Puts the kept modules in place, if they fit; answers whether they do. */
    restore() {
        if (!this.now.key || this.before.key !== this.now.key || !fs.existsSync(this.path('full'))) return false;
        this.now.slim = this.before.slim;
        // The app's own scripts write into the modules, and so does pruning.
        const { dev, lifecycle, pruneSkip } = this.build;
        this.place('full', this.now.copied || lifecycle.length > 0 || (dev && !pruneSkip && !this.now.slim));
        this.restored = true;
        return true;
    }

    /** Without a lockfile: puts what there is in place, for the manager to bring up to date. */
    restoreAsIs() {
        if (this.allowed && this.before.signature === this.now.signature && fs.existsSync(this.path('full')))
            this.place('full', true);
    }

    path(name) {
        return path.join(this.folder, name);
    }

    place(name, copied) {
        const entries = fs.readdirSync(this.path(name));
        if (entries.length)
            run(['cp', copied ? '-a' : '-al', '--', ...entries, this.build.app.folder], { cwd: this.path(name) });
    }

    keep(name, copied) {
        discard(this.path(name), this.build.work);
        fs.mkdirSync(this.path(name), { recursive: true });
        const trees = this.treesInstalled.filter((tree) => this.build.app.has(tree));
        if (trees.length)
            run(['cp', copied ? '-a' : '-al', '--parents', '--', ...trees, this.path(name)], {
                cwd: this.build.app.folder,
            });
    }

    /** To be called when the modules are as an installation leaves them. */
    installed() {
        const { app, manager } = this.build;
        this.treesInstalled = this.trees();
        if (!this.restored) {
            discard(this.folder, this.build.work);
            // Modules that are links into a store of the manager's are so here, too.
            if (this.allowed && !app.hasModules) this.keep('full', this.now.copied || !manager.linksStore);
        }
        this.listed = this.listing();
        this.marker = path.join(this.build.work, 'installed');
        fs.writeFileSync(this.marker, '');
    }

    listing() {
        const folders = this.treesInstalled
            .map((tree) => path.join(this.build.app.folder, tree))
            .filter((tree) => fs.existsSync(tree) && fs.statSync(tree).isDirectory());
        return JSON.stringify(
            folders.map((tree) =>
                fs
                    .readdirSync(tree)
                    .filter((name) => !SCRATCH.includes(name))
                    .sort(),
            ),
        );
    }

    /** Whether something in the modules has been written, made or deleted since `installed`. */
    changed() {
        if (!this.treesInstalled.length) return false;
        if (this.treesInstalled.some((tree) => !this.build.app.has(tree)) || this.listing() !== this.listed)
            return true;
        const scratch = SCRATCH.flatMap((name) => ['-name', name, '-o']).slice(0, -1);
        const words = [
            'find',
            ...this.treesInstalled,
            '-mindepth',
            '1',
            '(',
            ...scratch,
            ')',
            '-prune',
            '-o',
            '-cnewer',
            this.marker,
            '-print',
            '-quit',
        ];
        return run(words, { cwd: this.build.app.folder }) !== '';
    }

    /** To be called after the build: decides how long the kept modules serve. */
    built() {
        this.isChanged = this.changed();
        if (!this.isChanged || this.now.copied) return;
        // Kept files may be the very ones that were written.
        if (this.restored || this.build.manager.linksStore) discard(this.path('full'), this.build.work);
        this.now.copied = true;
    }

    /** Swaps the modules for those without devDependencies of an earlier build; answers whether it could. */
    takeSlim() {
        if (!this.restored || !this.now.slim || this.isChanged || !fs.existsSync(this.path('slim'))) return false;
        const aside = fs.mkdtempSync(path.join(this.build.work, 'full-'));
        this.treesInstalled.forEach((tree, index) =>
            fs.renameSync(path.join(this.build.app.folder, tree), path.join(aside, String(index))),
        );
        this.place('slim', this.now.copied);
        this.treesInstalled.forEach((tree, index) => {
            for (const name of SCRATCH) {
                const from = path.join(aside, String(index), name);
                const to = path.join(this.build.app.folder, tree, name);
                if (!fs.existsSync(from) || !fs.existsSync(path.dirname(to))) continue;
                fs.rmSync(to, { recursive: true, force: true });
                fs.renameSync(from, to);
            }
        });
        return true;
    }

    /** To be called when devDependencies have been removed. */
    pruned() {
        if (!this.now.key || this.isChanged) return;
        this.keep('slim', false);
        this.now.slim = true;
    }

    /** Writes down what is kept, at the end of a good build. */
    close() {
        fs.mkdirSync(this.folder, { recursive: true });
        fs.writeFileSync(this.file, JSON.stringify(this.now));
    }
}

/** Out of the way by renaming: the scratch folder is deleted with the build. */
function discard(folder, work) {
    if (fs.existsSync(folder)) fs.renameSync(folder, path.join(fs.mkdtempSync(path.join(work, 'old-')), 'x'));
}

module.exports = { Modules };
