// A plugin for Yarn 2 and later: `yarn renga prune` removes what only
// devDependencies need, from node_modules or from the Plug'n'Play map and cache.
// Yarn's own `workspaces focus --production` came with version 4.

'use strict';

module.exports = {
    name: 'renga-prune',
    factory: (require) => {
        const { BaseCommand } = require('@yarnpkg/cli');
        const { Cache, Configuration, Project, StreamReport } = require('@yarnpkg/core');

        class Prune extends BaseCommand {
            async execute() {
                const configuration = await Configuration.find(this.context.cwd, this.context.plugins);
                const { project } = await Project.find(configuration, this.context.cwd);
                const cache = await Cache.find(configuration, { immutable: false });
                await project.restoreInstallState({ restoreResolutions: false });
                for (const workspace of project.workspaces) workspace.manifest.devDependencies.clear();
                const options = { configuration, stdout: this.context.stdout, includeLogs: true, json: false };
                const report = await StreamReport.start(options, async (told) => {
                    // The lockfile and the manifests stay as they are.
                    await project.install({ cache, report: told, persistProject: false });
                    await project.cacheCleanup({ cache, report: told });
                });
                return report.exitCode();
            }
        }
        // Yarn 2 and later ones register commands in different ways.
        if (typeof Prune.addPath === 'function') Prune.addPath('renga', 'prune');
        else Prune.paths = [['renga', 'prune']];
        return { commands: [Prune] };
    },
};
