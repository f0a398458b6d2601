// What the user reads: steps, details, problems; and how a build fails.

'use strict';

const write = (start, text) => process.stdout.write(`${start}${text}`.trimEnd() + '\n');

const step = (text) => write('-----> ', text);
const detail = (text = '') => write('       ', text);
const problem = (text) => write(' !     ', text);
const blank = () => process.stdout.write('\n');

const warn = (first, ...rest) => {
    problem(`Warning: ${first}`);
    rest.forEach(problem);
};

/** The app's (or the network's) fault: its lines are all that is shown of it. */
class Failure extends Error {
    constructor(...lines) {
        super(lines[0]);
        this.lines = lines;
    }
}

const fail = (...lines) => {
    throw new Failure(...lines);
};

module.exports = { step, detail, problem, blank, warn, fail, Failure };
