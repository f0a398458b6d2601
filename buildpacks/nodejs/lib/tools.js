// Node.js and package managers, kept in the cache once per version, and put
// into the app's .heroku/node by hard links.

'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./command.js');
const { detail, fail } = require('./output.js');
const runtime = require('./runtime.js');
const { words } = require('./registry.js');

class Tools {
    /** `cache` is kept between builds; `target` is the app's .heroku/node. */
    constructor(cache, target, registry) {
        Object.assign(this, { cache, target, registry, used: new Set() });
    }

    /** The folder of a tool, made by `make(folder)` if the cache lacks it. */
    async kept(name, make) {
        const folder = path.join(this.cache, name);
        this.used.add(name);
        if (!fs.existsSync(path.join(folder, '.whole'))) {
            fs.rmSync(folder, { recursive: true, force: true });
            fs.mkdirSync(folder, { recursive: true });
            await make(folder);
            fs.writeFileSync(path.join(folder, '.whole'), '');
        }
        return folder;
    }

    async node(choice) {
        if (choice.source === 'stack') return '/usr';
        const name = choice.version ? `node-${choice.version}` : `node-${digest('sha256', choice.url).slice(0, 16)}`;
        const folder = await this.kept(name, (into) => runtime.fetch(choice, into, this.registry));
        // The headers are needed in builds only.
        this.link(folder, ['bin', 'lib']);
        return folder;
    }

    /** Gets version `version` of a manager that is `packageName` in the registry. */
    async manager({ name, packageName, version, hash, reason }) {
        const folder = await this.kept(`${name}-${version}`, async (into) => {
            detail(`Downloading and installing ${name} ${version} (${reason})`);
            const unreachable = await this.registry.unreachable();
            if (unreachable) fail(`${name} ${version} can't be downloaded.`, unreachable);
            const source = hash
                ? await this.checked({ name, packageName, version, hash })
                : `${packageName}@${version}`;
            const installed = await this.registry.npm('install', '--global', `--prefix=${into}`, source);
            if (!installed.ok) this.refuse({ name, version, reason }, installed.stderr);
        });
        // Instead of the one that came with Node.js, not on top of it.
        fs.rmSync(path.join(this.target, 'lib/node_modules', name), { recursive: true, force: true });
        this.link(folder, ['bin', 'lib']);
    }

    /** Downloads a package whose hash package.json names, as corepack writes it: `sha512.HEX`. */
    async checked({ name, packageName, version, hash }) {
        const packed = await this.registry.npm('pack', `${packageName}@${version}`, '--json');
        if (!packed.ok) this.refuse({ name, version, reason: 'packageManager in package.json' }, packed.stderr);
        const file = path.join(
            this.registry.work,
            JSON.parse(packed.stdout)[0].filename.replace('@', '').replace('/', '-'),
        );
        const [algorithm, wanted] = hash.split('.');
        // Yarn 2 and later: the hash is that of the program alone.
        const content = packageName.startsWith('@yarnpkg/')
            ? run(['tar', '-xzOf', file, 'package/bin/yarn.js'], { encoding: 'buffer' })
            : fs.readFileSync(file);
        const found = crypto.getHashes().includes(algorithm)
            ? digest(algorithm, content)
            : 'an algorithm that is not known here';
        if (found !== wanted) {
            fail(
                `${name} ${version} of the registry is not the one that packageManager in package.json names:`,
                `  wanted ${algorithm} ${wanted}`,
                `  found  ${algorithm} ${found}`,
                `If you trust the registry, write it anew: corepack use ${name}@${version}`,
            );
        }
        return file;
    }

    refuse({ name, version, reason }, stderr) {
        if (/E404|ETARGET|notarget/i.test(stderr))
            fail(`There is no ${name} ${version} in the npm registry, which ${reason} asks for.`);
        fail(`${name} ${version} could not be installed from the npm registry:`, ...words(stderr));
    }

    link(folder, parts) {
        fs.mkdirSync(this.target, { recursive: true });
        const there = parts.map((part) => path.join(folder, part)).filter((part) => fs.existsSync(part));
        // Hard links: the cache lies on the same disk.
        if (there.length) run(['cp', '-alf', ...there, this.target]);
    }

    /** Deletes what this build has not used. */
    tidy() {
        for (const name of fs.existsSync(this.cache) ? fs.readdirSync(this.cache) : []) {
            if (!this.used.has(name)) fs.rmSync(path.join(this.cache, name), { recursive: true });
        }
    }
}

const digest = (algorithm, content) => crypto.createHash(algorithm).update(content).digest('hex');

module.exports = { Tools };
