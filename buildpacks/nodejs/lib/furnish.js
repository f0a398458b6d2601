// What a build leaves for dynos, for later buildpacks and for the platform.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { warn } = require('./output.js');

const BUILDPACK = path.dirname(__dirname);

/** What the app finds at run time, and later buildpacks at build time. */
function furnish({ app, manager, version }, heapMb) {
    const profile = path.join(app.folder, '.profile.d');
    fs.mkdirSync(profile, { recursive: true });
    fs.cpSync(path.join(BUILDPACK, 'profile'), profile, { recursive: true });
    const own = manager.profile?.(version);
    if (own) fs.writeFileSync(path.join(profile, `${manager.name}.sh`), own);

    const home = path.join(app.folder, '.heroku/node');
    fs.writeFileSync(
        path.join(BUILDPACK, 'export'),
        [
            `export PATH="${home}/bin:$PATH:${app.folder}/node_modules/.bin"`,
            `export NODE_HOME="${home}"`,
            `export NODE_OPTIONS="\${NODE_OPTIONS:---max-old-space-size=${heapMb}}"`,
            '',
        ].join('\n'),
    );

    const isPlugged = app.has('.pnp.cjs') && !app.has('node_modules');
    const starts = app.hasScript('start') || app.has('server.js');
    if (starts) {
        fs.writeFileSync(
            path.join(BUILDPACK, 'default-web'),
            isPlugged && app.hasScript('start') ? 'yarn start' : 'npm start',
        );
    } else if (!app.has('Procfile')) {
        warn(
            'This app may not specify any way to start a node process: add a Procfile, or a script start to package.json.',
        );
    }

    // Layers of their own: they seldom change.
    if (fs.existsSync('/tmp/renga')) fs.appendFileSync('/tmp/renga/layers', '.heroku/node\nnode_modules\n.yarn\n');
}

module.exports = { furnish };
