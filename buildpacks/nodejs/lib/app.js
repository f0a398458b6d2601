// The app as it was pushed: package.json and what lies beside it.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { fail } = require('./output.js');

const LOCKFILES = { npm: 'package-lock.json', pnpm: 'pnpm-lock.yaml', Yarn: 'yarn.lock' };
const SHRINKWRAP = 'npm-shrinkwrap.json';

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const textOf = (value) => (typeof value === 'string' ? value.trim() : '');

class App {
    constructor(folder) {
        this.folder = folder;
        if (this.has('.heroku/node') || this.has('.heroku/yarn')) {
            fail(
                'The folder .heroku is checked in, but the platform makes it. Remove it from git:',
                '  git rm -r --cached .heroku',
            );
        }
        this.manifest = this.readManifest();
        this.scripts = isObject(this.manifest.scripts) ? this.manifest.scripts : {};
        const engines = isObject(this.manifest.engines) ? this.manifest.engines : {};
        /** Version ranges by program: node, npm, yarn, pnpm. Empty if not asked for. */
        this.engines = Object.fromEntries(['node', 'npm', 'yarn', 'pnpm'].map((name) => [name, textOf(engines[name])]));
        /** `{ name, version, hash }` of the field packageManager, or undefined. */
        this.packageManager = this.readPackageManager();
        this.checkLockfiles();
        this.checkManagers();
        if (textOf(engines.iojs)) fail('engines.iojs in package.json: io.js is Node.js since 2015. Use engines.node.');
        this.lockfile = [SHRINKWRAP, ...Object.values(LOCKFILES)].find((name) => this.has(name)) ?? '';
        this.hasModules = this.has('node_modules');
    }

    has(name) {
        return fs.existsSync(path.join(this.folder, name));
    }

    /** The text of a file of the app; empty if there is none. */
    read(name) {
        try {
            return fs.readFileSync(path.join(this.folder, name), 'utf8').replace(/^\uFEFF/, '');
        } catch (error) {
            if (error.code === 'ENOENT' || error.code === 'EISDIR' || error.code === 'ENOTDIR') return '';
            throw error;
        }
    }

    /** A plain value at the top of a YAML file; undefined if it is not there. */
    setting(file, key) {
        const found = this.read(file).match(new RegExp(`^${key}:[ \\t]*(.*?)[ \\t]*(#.*)?$`, 'm'));
        const value = found?.[1].replace(/^(["'])(.*)\1$/, '$2');
        return value === '' || value === 'null' ? undefined : value;
    }

    hasScript(name) {
        return textOf(this.scripts[name]) !== '';
    }

    readManifest() {
        try {
            const found = JSON.parse(this.read('package.json'));
            if (!isObject(found)) throw new Error('it is no JSON object');
            return found;
        } catch (error) {
            return fail(`package.json can't be read: ${error.message}`);
        }
    }

    readPackageManager() {
        const text = textOf(this.manifest.packageManager);
        const [, name, version, hash] = text.match(/^(npm|yarn|pnpm)@([^+#]+)(?:[+#](\w+\.\w+))?/) ?? [];
        return name && { name, version, hash };
    }

    checkLockfiles() {
        const found = Object.keys(LOCKFILES).filter((manager) => this.has(LOCKFILES[manager]));
        if (found.length > 1) {
            const remedies = found.flatMap((kept) => {
                const others = found.filter((other) => other !== kept).map((other) => LOCKFILES[other]);
                return [`  if you use ${kept}:  git rm ${others.join(' ')}`];
            });
            fail(
                'Error: Multiple lockfiles found.',
                '',
                `Multiple package managers (${found.join(', ')}) have created lockfiles for this application,`,
                'but only one can install its dependencies. Keep the one you use, commit, and push again:',
                ...remedies,
            );
        }
        if (found.length === 1 && this.has(SHRINKWRAP)) {
            fail(
                'Error: Multiple lockfiles conflicting with npm-shrinkwrap.json.',
                '',
                `There are ${SHRINKWRAP} and ${LOCKFILES[found[0]]}. Remove one of them with git rm, commit, and push again.`,
            );
        }
    }

    checkManagers() {
        const named = ['npm', 'yarn', 'pnpm'].filter((name) => this.engines[name]);
        const fields = named.map((name) => `- engines.${name}: ${this.engines[name]}`);
        if (this.packageManager) {
            named.push(this.packageManager.name);
            fields.push(`- packageManager: ${textOf(this.manifest.packageManager)}`);
        }
        if (new Set(named).size > 1) {
            fail(
                'Multiple package managers declared in package.json',
                '',
                'Keep those of the one that you use, and remove the others:',
                ...fields,
            );
        }
    }
}

module.exports = { App };
