// Which version of a package manager the app asks for, and where.

'use strict';

/** `{ range, reason, hash }`, empty if nothing asks: packageManager first, then engines. */
function semverRangeOf(app, name) {
    const { packageManager, engines } = app;
    if (packageManager?.name === name) {
        return { range: packageManager.version, hash: packageManager.hash, reason: 'packageManager in package.json' };
    }
    if (engines[name]) return { range: engines[name], reason: `engines.${name} in package.json` };
    return {};
}

module.exports = { semverRangeOf };
