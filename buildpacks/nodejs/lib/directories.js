// The folders that package.json names in cacheDirectories, kept between builds.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./command.js');
const { detail, step, warn } = require('./output.js');

class Directories {
    constructor(build) {
        this.build = build;
        this.folder = path.join(build.cache, 'directories');
        this.file = path.join(build.cache, 'directories.json');
        const { manifest } = build.app;
        const named = [manifest.cacheDirectories, manifest.cache_directories].find(
            (list) => Array.isArray(list) && list.length,
        );
        this.enabled = build.env.get('NODE_MODULES_CACHE') !== 'false';
        /** Whether the app says itself what is kept. */
        this.named = named !== undefined;
        this.names = (named ?? ['bower_components']).filter((name) => this.isKeepable(name));
        this.signature = JSON.stringify([process.env.STACK, build.node, build.manager.name, build.version]);
    }

    isKeepable(name) {
        const parts = typeof name === 'string' ? path.normalize(name).split('/').filter(Boolean) : ['..'];
        if (parts.includes('..') || parts.length === 0) {
            warn(`cacheDirectories in package.json names ${JSON.stringify(name)}, which is no folder of the app.`);
            return false;
        }
        // node_modules itself is kept by rules of its own.
        return !(parts.length === 1 && parts[0] === 'node_modules');
    }

    /** Puts the kept folders in place: those of modules after an installation, the others before. */
    restore(ofModules) {
        const names = this.names.filter((name) => /^(\.\/)?node_modules\//.test(name) === ofModules);
        if (!this.enabled || !names.length || !fs.existsSync(this.file)) return;
        if (fs.readFileSync(this.file, 'utf8') !== this.signature) {
            if (this.named && !ofModules)
                detail('Cached directories were not restored due to a change in version of node, npm, yarn or stack');
            return;
        }
        if (this.named) {
            step('Restoring cache');
            detail('Loading from cacheDirectories (package.json):');
        }
        for (const name of names) {
            const [from, to] = [path.join(this.folder, name), path.join(this.build.app.folder, name)];
            const state = fs.existsSync(to)
                ? ' (exists - skipping)'
                : fs.existsSync(from)
                  ? ''
                  : ' (not cached - skipping)';
            if (this.named) detail(`- ${name}${state}`);
            if (state) continue;
            fs.mkdirSync(path.dirname(to), { recursive: true });
            fs.renameSync(from, to);
        }
    }

    /** Keeps the folders as the build has left them. */
    save() {
        fs.rmSync(this.folder, { recursive: true, force: true });
        if (!this.enabled) return;
        if (this.named) {
            step('Caching build');
            detail('Saving cacheDirectories (package.json):');
        }
        for (const name of this.names) {
            const from = path.join(this.build.app.folder, name);
            const to = path.join(this.folder, name);
            const isThere = fs.existsSync(from);
            if (this.named) detail(`- ${name}${isThere ? '' : ' (nothing to cache)'}`);
            if (!isThere) continue;
            fs.mkdirSync(path.dirname(to), { recursive: true });
            // A copy: what comes after the build may write into the folder.
            run(['cp', '-a', '--', from, to]);
        }
        fs.writeFileSync(this.file, this.signature);
    }
}

module.exports = { Directories };
